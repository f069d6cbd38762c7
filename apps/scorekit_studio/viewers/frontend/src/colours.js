// 256 colours from dark to bright, evenly lighter: for spectrograms and heat maps. [r, g, b, 255] each.
const STOPS = [[8, 6, 24], [58, 15, 90], [128, 30, 110], [196, 54, 84], [240, 112, 50], [252, 188, 72], [252, 252, 200]];

export const colours = Array.from({ length: 256 }, (_, i) => {
  const place = (i / 255) * (STOPS.length - 1), low = Math.min(STOPS.length - 2, Math.floor(place)), part = place - low;
  return [...STOPS[low].map((value, c) => Math.round(value + (STOPS[low + 1][c] - value) * part)), 255];
});
