/* Browsers break lines after the dashes of "--resume": keep short code whole. */
"use strict";

document.querySelectorAll(":not(pre) > code").forEach((code) => {
  const longest = code.closest("td") ? 16 : 32;  // characters
  if (code.textContent.length <= longest) code.style.whiteSpace = "nowrap";
});
