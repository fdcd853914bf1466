/* The worker of the search. Two things differ from the worker of browsers:

   - A word may begin with dashes: "--resume" finds the option. The search would take them for "not".
   - Pages that were opened as files have a search, too. Browsers start no workers there, so the script of the worker
     runs in a hidden frame of the page, with the same messages. */
"use strict";

{
  const SEARCH = 2; // type of the message with what the reader is looking for

  const withoutDashes = (message) =>
    message?.type === SEARCH && typeof message.data === "string"
      ? { ...message, data: message.data.replace(/(^|\s)[-–—]+(?=\w)/g, "$1") }
      : message;

  class FrameWorker extends EventTarget {
    #waiting = [];
    #frame = null;

    constructor(url) {
      super();
      const element = document.createElement("iframe");
      element.hidden = true;
      element.srcdoc = "<!doctype html><title>worker</title>";
      element.addEventListener("load", () => this.#start(element.contentWindow, url), { once: true });
      document.body.append(element);
    }

    #start(frame, url) {
      frame.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = frame.document.createElement("script");
      script.addEventListener("load", () => {
        this.#frame = frame;
        this.#waiting.splice(0).forEach((data) => this.postMessage(data));
      });
      script.src = url;
      frame.document.body.append(script);
    }

    postMessage(data) {
      if (this.#frame === null) this.#waiting.push(data);
      else this.#frame.dispatchEvent(new MessageEvent("message", { data }));
    }
  }

  const Base = location.protocol === "file:" ? FrameWorker : Worker;
  window.Worker = class extends Base {
    postMessage(message) {
      super.postMessage(withoutDashes(message));
    }
  };
}
