// Pictures on canvases: sharp on every screen, drawn again when their size or the colours change.

/** The colours of the page as they are now. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** Keep a canvas as large as its box; `draw(context, width, height)` is called with its size in CSS pixels. */
export function keepDrawn(canvas, draw) {
  const again = () => {
    const { width, height } = canvas.getBoundingClientRect();
    if (!width || !height) return;
    const scale = devicePixelRatio || 1;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  };
  new ResizeObserver(again).observe(canvas);
  document.addEventListener("earmark-theme", () => canvas.isConnected && again());
  return again;
}
