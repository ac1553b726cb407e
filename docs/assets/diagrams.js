// Diagrams, which Material draws: across where their words stay legible, else down, and enlarged by a button where
// even that is too wide.
{
  const LEGIBLE = 12 / 16; // of the size that their words are drawn at
  const widths = new Map();
  const widthOf = ({ svg }) => Number(svg.match(/viewBox="\S+ \S+ (\S+)/)[1]);

  // A frame has a title of two lines at most: keep it off what the frame holds.
  const flowchart = { subGraphTitleMargin: { top: 4, bottom: 24 } };
  // Down, what is side by side stands close, and an arrow’s words have their place above the frame that it enters.
  const down = { flowchart: { ...flowchart, diagramPadding: 2, nodeSpacing: 16, padding: 8, rankSpacing: 60 } };

  const initialize = mermaid.initialize;
  mermaid.initialize = (config) => initialize({ ...config, flowchart: { ...config.flowchart, ...flowchart } });

  const render = mermaid.render;
  mermaid.render = async (id, source, ...more) => {
    const room = document.querySelector("article").clientWidth;
    let size = 1;
    let drawn = await render(id, source, ...more);
    if (room < widthOf(drawn) * LEGIBLE) {
      const turned = source.replace(/^(\s*flowchart) LR/, "$1 TD");
      drawn = await render(id, `%%{init: ${JSON.stringify(down)}}%%\n${turned}`, ...more);
      size = 0.85; // not taller than a screen
    }
    const width = widthOf(drawn);
    widths.set(source, width);
    return {
      ...drawn,
      svg: drawn.svg.replace(
        /max-width: [\d.]+px;/,
        `max-width: ${width * size}px; min-width: calc(${width * size}px * var(--diagram-whole, 0));`,
      ),
    };
  };

  const accompany = (host, width) => {
    const button = document.createElement("button");
    button.className = "md-button diagram__button";
    const show = (whole) => {
      host.classList.toggle("diagram--whole", whole);
      host.tabIndex = whole ? 0 : -1;
      button.textContent = whole ? "Voir le dessin entier" : "Agrandir le dessin";
      button.setAttribute("aria-pressed", whole);
    };
    button.addEventListener("click", () => show(!host.classList.contains("diagram--whole")));
    show(false);
    host.after(button);
    new ResizeObserver(() => (button.hidden = host.clientWidth >= width * LEGIBLE)).observe(host);
  };
  new MutationObserver((changes) => {
    for (const { addedNodes, removedNodes } of changes)
      for (const host of addedNodes)
        if (host.matches?.("div.mermaid")) accompany(host, widths.get(removedNodes[0]?.textContent));
  }).observe(document.body, { childList: true, subtree: true });
}
