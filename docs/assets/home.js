// The terminal of the home page: the recording plays where its text stands, which stays for paper.

const place = document.querySelector("[data-cast]");
const screen = document.createElement("div");
const button = document.createElement("button");
screen.className = "demo__screen";
screen.setAttribute("aria-hidden", "true"); // the same text is below, whole
button.className = "md-button demo__button";
place.prepend(screen, button);
place.classList.add("demo--plays");
place.querySelector("pre").removeAttribute("tabindex");

const narrow = place.clientWidth < 500;
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const player = AsciinemaPlayer.create(`${place.dataset.cast}${narrow ? "-etroit" : ""}.cast`, screen, {
  autoPlay: !still,
  controls: false,
  fit: "width",
  poster: `npt:${place.dataset.red}`,
  preload: true,
  startAt: Number(place.dataset.begins),
  terminalFontFamily: "var(--md-code-font-family)",
  theme: "cahier",
});

const say = (words) => () => (button.textContent = words);
let playing = !still;
button.textContent = still ? "Lire l’enregistrement" : "Pause";
player.addEventListener("play", () => ((playing = true), say("Pause")()));
player.addEventListener("pause", () => ((playing = false), say("Reprendre")()));
player.addEventListener("ended", () => ((playing = false), say("Revoir")()));
button.addEventListener("click", () => (playing ? player.pause() : player.play()));
