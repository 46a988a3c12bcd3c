// One sound at a time; a line on every picture with the song's time shows where it is; a click on one goes there.
"use strict";
(() => {
  const from = Number(document.body.dataset.start);
  const length = Number(document.body.dataset.end) - from;
  const players = [...document.querySelectorAll("audio")];
  const boxes = [...document.querySelectorAll(".timed .box")];
  let last = players.find((one) => one.dataset.start !== undefined);
  for (const box of boxes) {
    const line = document.createElement("i");
    line.className = "cursor";
    box.append(line);
    box.addEventListener("click", (event) => {
      if (!last) return;
      const frame = box.getBoundingClientRect();
      const time = from + length * (event.clientX - frame.left) / frame.width - Number(last.dataset.start);
      last.currentTime = Math.max(0, Math.min(time, last.duration || 0));
      last.play();
    });
  }
  const lines = boxes.map((box) => box.querySelector(".cursor"));
  const show = () => {
    const time = Number(last.dataset.start) + last.currentTime - from;
    for (const line of lines) {
      line.style.display = "block";
      line.style.left = `${100 * time / length}%`;
    }
    if (!last.paused) requestAnimationFrame(show);
  };
  for (const one of players) {
    one.addEventListener("play", () => {
      for (const other of players) if (other !== one) other.pause();
      if (one.dataset.start === undefined || !(length > 0)) return;
      last = one;
      show();
    });
    one.addEventListener("seeked", () => { if (one === last && length > 0) show(); });
  }
})();
