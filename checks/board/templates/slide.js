"use strict";
(() => {
  const by = id => document.getElementById(id), bars = [...by("bars").children];
  let sentences = [], key = decodeURIComponent(location.hash.slice(1)), told = "";
  const made = (name, text, kind) => {
    const one = document.createElement(name);
    one.textContent = text;
    if (kind) one.className = kind;
    return one;
  };
  const name = one => `${one.lab}.${one.check}`;
  const show = () => {
    const place = Math.max(0, sentences.findIndex(one => name(one) === key)), one = sentences[place];
    const parts = one ? [
      made("p", `${one.lab} · ${one.count} personne${one.count > 1 ? "s" : ""}`, "count"), made("h2", one.title),
      ...(one.cause ? [made("p", one.cause)] : []), ...one.hints.map(hint => made("p", hint, "soft")),
    ] : [made("h2", "Personne n’est arrêté sur une phrase fausse.")];
    const now = JSON.stringify(one || "");
    if (now !== told) by("lesson").replaceChildren(...parts);
    told = now;
    by("place").textContent = one ? `${place + 1} sur ${sentences.length}` : "";
    by("before").disabled = place === 0;
    by("after").disabled = place >= sentences.length - 1;
  };
  const go = step => {
    const place = Math.max(0, sentences.findIndex(one => name(one) === key)) + step;
    if (!sentences[place]) return;
    key = name(sentences[place]);
    history.replaceState(null, "", `#${encodeURIComponent(key)}`);
    show();
  };
  by("before").addEventListener("click", () => go(-1));
  by("after").addEventListener("click", () => go(1));
  addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (["ArrowLeft", "PageUp"].includes(event.key)) go(-1);
    if (["ArrowRight", "PageDown"].includes(event.key)) go(1);
  });
  addEventListener("hashchange", () => { key = decodeURIComponent(location.hash.slice(1)); show(); });
  const trouble = text => { by("lost").hidden = !text; by("lost").textContent = text; };
  const stream = new EventSource("flux-sans-nom");
  stream.addEventListener("message", event => {
    const news = JSON.parse(event.data);
    sentences = news.sentences;
    show();
    news.progress.forEach((lab, place) => {
      const [, meter, text] = bars[place].children;
      meter.value = lab.full;
      text.textContent = `${lab.full} tout juste, ${lab.partial} en cours`;
    });
    trouble(news.lost ? "Le cluster n’est plus suivi : cette page montre comment c’était." : "");
  });
  stream.addEventListener("error", () => trouble("Le tableau ne répond plus."));
})();
