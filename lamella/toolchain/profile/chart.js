"use strict";
// A click on a bar gives it the whole width; what lies outside of it goes out of sight.
for (const chart of document.querySelectorAll("svg.flame")) {
  const bars = [...chart.querySelectorAll("svg")];
  chart.addEventListener("click", event => {
    const chosen = event.target.closest("svg.flame svg");
    if (!chosen) return;
    const left = Number(chosen.dataset.began);
    const whole = Math.max(Number(chosen.dataset.took), 1e-6);
    for (const bar of bars) {
      const began = Number(bar.dataset.began), took = Number(bar.dataset.took);
      const from = Math.max(began, left), to = Math.min(began + took, left + whole);
      bar.setAttribute("x", (100 * (from - left)) / whole + "%");
      bar.setAttribute("width", (100 * Math.max(0, to - from)) / whole + "%");
    }
  });
}
