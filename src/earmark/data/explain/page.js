// One sound at a time; a line on every picture with the song's time shows where it is; a click on one goes there.
"use strict";
(() => {
  const players = [...document.querySelectorAll("audio")];
  const placed = players.filter((one) => one.dataset.start !== undefined);
  const song = placed[0];
  let last = song;
  const starts = (one) => Number(one.dataset.start);
  const covers = (one, time) => time >= starts(one) && time < starts(one) + (one.duration || 0);
  // A picture of a part of the song says which; the others show all of it.
  const views = [...document.querySelectorAll(".timed .box")].map((box) => {
    const data = box.parentElement.dataset.end === undefined ? document.body.dataset : box.parentElement.dataset;
    const line = document.createElement("i");
    line.className = "cursor";
    box.append(line);
    return { box, line, from: Number(data.start), length: Number(data.end) - Number(data.start) };
  });
  for (const view of views) {
    view.box.addEventListener("click", (event) => {
      if (!last) return;
      const frame = view.box.getBoundingClientRect();
      const time = view.from + view.length * (event.clientX - frame.left) / frame.width;
      const one = covers(last, time) ? last : song;
      one.currentTime = Math.max(0, Math.min(time - starts(one), one.duration || 0));
      one.play();
    });
  }
  const show = () => {
    const time = starts(last) + last.currentTime;
    for (const { line, from, length } of views) {
      const part = (time - from) / length;
      line.style.display = length > 0 && part >= 0 && part <= 1 ? "block" : "none";
      line.style.left = `${100 * part}%`;
    }
    if (!last.paused) requestAnimationFrame(show);
  };
  for (const one of players) {
    one.addEventListener("play", () => {
      for (const other of players) if (other !== one) other.pause();
      if (one.dataset.start === undefined) return;
      last = one;
      show();
    });
    one.addEventListener("seeked", () => { if (one === last) show(); });
  }
})();
