// Swagger UI has a dark scheme, and leaves it to the page to choose it.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const choose = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", choose);
choose();
