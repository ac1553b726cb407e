"use strict";
(() => {
  const by = id => document.getElementById(id), body = by("people").tBodies[0];
  const people = new Map(), lines = new Map(), bars = [...by("bars").children];
  const names = bars.map(bar => bar.firstChild.textContent);
  const words = {
    stuck: "", open: "à voir sur son poste", done: "tout ce qui se voit est juste", absent: "namespace absent",
    unseen: "pas vu", waiting: "pas encore regardé",
  };
  const states = { full: "tout juste", partial: "en partie", none: "rien de juste", open: "à voir sur son poste" };
  let ahead = 0, opened = "", rank = 0;
  const plain = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const made = (name, text, kind) => {
    const one = document.createElement(name);
    if (text) one.textContent = text;
    if (kind) one.className = kind;
    return one;
  };
  const lasted = since => {
    const minutes = Math.max(0, Math.floor((Date.now() / 1000 + ahead - since) / 60));
    return minutes < 1 ? "moins d’une minute" : minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
  };
  const waited = row => {
    if (["waiting", "absent", "unseen"].includes(row.standing.kind)) return "";
    const words = lasted(row.since);
    return !row.at_least ? words : /^\d/.test(words) ? `au moins ${words}` : "avant l’ouverture";
  };
  const draw = row => {
    let line = lines.get(row.id);
    if (!line) {
      line = body.insertRow();
      line.dataset.rank = rank++;
      const head = made("th");
      head.scope = "row";
      const who = made("button", "", "who");
      who.type = "button";
      who.addEventListener("click", () => open(row.id));
      head.append(who);
      line.append(head);
      for (const kind of ["where", "what", "since", "cells"]) line.append(made("td", "", kind));
      lines.set(row.id, line);
    }
    const [head, where, what, since, cells] = line.cells, now = row.standing;
    line.className = now.kind;
    head.firstChild.textContent = row.name || row.id;
    where.textContent = [now.lab, words[now.kind]].filter(Boolean).join(" · ");
    what.replaceChildren(made("span", now.sentence || now.finding));
    if (row.lost) what.append(made("div", `N’est plus vu : ${row.lost}`, "stop"));
    since.textContent = waited(row);
    const chips = made("ul", "", "chips");
    row.cells.forEach((cell, place) => {
      const chip = made("li", `${names[place]} ${cell.text}`, cell.state);
      chip.append(made("span", cell.text === "–" ? " sans objet" : ` ${states[cell.state]}`, "vh"));
      chips.append(chip);
    });
    cells.replaceChildren(...(row.cells.length ? [chips] : []));
    if (opened === row.id) fill(row.id);
  };
  const arrange = () => {
    const wanted = plain(by("search").value).split(/\s+/).filter(Boolean), kind = by("kind").value;
    const kinds = { stuck: 0, open: 1, waiting: 3, done: 4, absent: 5, unseen: 5 };
    const order = by("order").value === "since"
      ? (a, b) => kinds[a.standing.kind] - kinds[b.standing.kind] || a.since - b.since || lines.get(a.id).dataset.rank - lines.get(b.id).dataset.rank
      : (a, b) => lines.get(a.id).dataset.rank - lines.get(b.id).dataset.rank;
    const sorted = [...people.values()].sort(order).map(row => lines.get(row.id));
    let count = 0;
    for (const row of people.values()) {
      const fits = (!kind || row.standing.kind === kind || (kind === "absent" && row.standing.kind === "unseen"))
        && wanted.every(word => plain(`${row.name} ${row.id} ${row.namespace}`).includes(word));
      lines.get(row.id).hidden = !fits;
      count += fits;
    }
    // a line that moves loses the focus: only those that are not in their place are moved
    sorted.forEach((line, place) => { if (body.rows[place] !== line) {
      const held = line.contains(document.activeElement) && document.activeElement;
      body.insertBefore(line, body.rows[place]);
      if (held) held.focus();
    } });
    by("shown").textContent = kind || wanted.length ? `${count} personne${count > 1 ? "s" : ""} sur ${people.size}` : "";
  };
  const stops = sentences => {
    const open = new Set([...by("sentences").querySelectorAll("details[open]")].map(one => one.dataset.key));
    by("calm").hidden = sentences.length > 0;
    by("sentences").replaceChildren(...sentences.map(one => {
      const item = made("li"), key = `${one.lab}.${one.check}`, lesson = made("details");
      item.append(made("span", `${one.count} personne${one.count > 1 ? "s" : ""}`, "count"), ` · ${one.lab} · ${one.title} `);
      const show = made("a", "Montrer à tous");
      show.href = `projeter#${encodeURIComponent(key)}`;
      show.target = "_blank";
      show.rel = "noopener";
      show.append(made("span", ` : ${one.title}`, "vh"));
      lesson.dataset.key = key;
      lesson.open = open.has(key);
      lesson.append(made("summary", "La leçon"));
      for (const finding of one.findings) lesson.append(made("p", finding));
      if (one.cause) lesson.append(made("p", `Pourquoi : ${one.cause}`));
      for (const hint of one.hints) lesson.append(made("p", `Indice : ${hint}`, "soft"));
      item.append(show, lesson);
      return item;
    }));
  };
  const fill = async id => {
    try {
      const answer = await fetch(`personne/${encodeURIComponent(id)}`, { cache: "no-store" });
      const told = await answer.text();
      if (opened !== id) return;
      const unfolded = [...by("path").querySelectorAll("details")].map(one => one.open);
      by("path").innerHTML = answer.ok ? told : "";
      const lab = people.get(id)?.standing.lab;
      [...by("path").querySelectorAll("details")].forEach((one, place) => {
        one.open = unfolded.length ? Boolean(unfolded[place]) : one.querySelector("summary").textContent.startsWith(`${lab} `);
      });
    } catch { /* the stream says that the board has stopped */ }
  };
  const open = id => {
    opened = id;
    by("path").replaceChildren();
    by("person").showModal();
    fill(id);
  };
  by("close").addEventListener("click", () => by("person").close());
  by("person").addEventListener("close", () => { const id = opened; opened = ""; lines.get(id)?.querySelector("button").focus(); });
  const clock = seconds => new Date(seconds * 1000).toLocaleTimeString("fr", { hour: "2-digit", minute: "2-digit" });
  const trouble = text => { by("lost").hidden = !text; by("lost").textContent = text; };
  const stream = new EventSource("flux");
  stream.addEventListener("message", event => {
    const news = JSON.parse(event.data);
    ahead = news.now - Date.now() / 1000;
    for (const row of news.rows) { people.set(row.id, row); draw(row); }
    if (news.rows.length) arrange();
    stops(news.sentences);
    news.progress.forEach((lab, place) => {
      const [, meter, text] = bars[place].children;
      meter.value = lab.full;
      text.textContent = `${lab.full} tout juste, ${lab.partial} en cours`;
    });
    by("judged").textContent = news.judged < people.size ? `${news.judged} regardées sur ${people.size}` : "à jour";
    trouble(news.lost ? `Depuis ${clock(news.lost_since)}, le cluster n’est plus suivi ; ce tableau montre comment c’était. ${news.lost}` : "");
  });
  stream.addEventListener("error", () => trouble("Le tableau ne répond plus : la commande est-elle arrêtée ? La page se reconnecte dès qu’elle le peut."));
  setInterval(() => { for (const row of people.values()) lines.get(row.id).cells[3].textContent = waited(row); }, 10000);
  for (const [id, when] of [["search", "input"], ["kind", "change"], ["order", "change"]]) by(id).addEventListener(when, arrange);
})();
