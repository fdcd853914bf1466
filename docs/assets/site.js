/* Browsers break lines after the dashes of "--resume": keep short code whole. */
"use strict";

document.querySelectorAll(":not(pre, td) > code").forEach((code) => {
  if (code.textContent.length <= 32) code.style.whiteSpace = "nowrap";
});
