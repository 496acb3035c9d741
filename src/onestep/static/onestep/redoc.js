// Draws the reference. Nothing may come from elsewhere, and Redoc's menu has a logo of its maker from a CDN without a
// switch for it: the only image that Redoc makes here, so that an element of another kind stands in.
"use strict";

const createElement = document.createElement.bind(document);
document.createElement = (name, options) => createElement(name === "img" ? "span" : name, options);

const place = document.getElementById("redoc");
const sans = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
Redoc.init(
  place.dataset.schema,
  {
    scrollYOffset: ".docs-header",
    theme: {
      colors: { primary: { main: "#0f766e" } },
      typography: { fontFamily: sans, headings: { fontFamily: sans } },
    },
  },
  place,
);
