// Draws the figures of the report with ECharts from the data beside it. It formats no number and computes
// none: every text comes ready from the report. Without it the static drawings stay in place.
(() => {
  const figures = JSON.parse(document.getElementById('charts').textContent);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const drawn = new Map();

  const language = () => (document.getElementById('language-zh').checked ? 'zh' : 'en');

  // 'var(--blue)' becomes the colour that the page has now, and 'var(--blue)/0.5' half of it.
  function coloured(part, styles) {
    if (typeof part === 'string') {
      const named = /^var\((--[\w-]+)\)(?:\/([\d.]+))?$/.exec(part);
      if (!named) return part;
      const alpha = named[2] ? Math.round(named[2] * 255).toString(16).padStart(2, '0') : '';
      return styles.getPropertyValue(named[1]).trim() + alpha;
    }
    if (Array.isArray(part)) return part.map((one) => coloured(one, styles));
    if (part && typeof part === 'object') {
      return Object.fromEntries(Object.entries(part).map(([key, one]) => [key, coloured(one, styles)]));
    }
    return part;
  }

  function told(points) {
    const texts = [points].flat().map((point) => point.data && point.data.text).filter(Boolean);
    return [...new Set(texts)].join('\n');
  }

  function draw(holder) {
    const figure = figures[holder.dataset.figure][language()];
    const live = holder.querySelector('.live');
    const styles = getComputedStyle(document.documentElement);
    const option = coloured(figure.option, styles);
    option.textStyle.fontFamily = getComputedStyle(document.body).fontFamily;
    option.tooltip.formatter = told;
    Object.assign(option.tooltip, {
      backgroundColor: styles.getPropertyValue('--paper').trim(),
      borderColor: styles.getPropertyValue('--rule').trim(),
    });
    option.tooltip.textStyle.color = styles.getPropertyValue('--ink').trim();
    for (const axis of [option.xAxis, option.yAxis].flat()) {
      if (axis.type === 'value') {
        axis.axisLabel.formatter = (value) => figure.ticks[Math.round((value - axis.min) / axis.interval)] ?? '';
      }
    }
    live.hidden = false;
    live.style.height = `${figure.height}px`;
    live.style.minWidth = figure.width ? `${figure.width}px` : '';
    drawn.get(holder)?.dispose();
    const chart = echarts.init(live, null, { renderer: 'svg' });
    chart.setOption({ baseOption: option, media: [{ query: { maxWidth: figure.phone.maxWidth }, option: figure.phone.option }] });
    drawn.set(holder, chart);
  }

  const holders = [...document.querySelectorAll('[data-figure]')];
  document.documentElement.classList.add('lively');
  const drawAll = () => {
    document.documentElement.lang = language() === 'zh' ? 'zh-Hans' : 'en';
    holders.forEach(draw);
  };
  drawAll();
  dark.addEventListener('change', drawAll);
  document.querySelectorAll('.pick').forEach((pick) => pick.addEventListener('change', drawAll));
  let wait = 0;
  addEventListener('resize', () => {
    clearTimeout(wait);
    wait = setTimeout(() => drawn.forEach((chart) => chart.resize()), 100);
  });
})();
