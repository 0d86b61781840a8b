// The projection of web maps: the world is a square of side 1, north is up. Tile layers are cut in it.

/** The latitude at which the square ends. */
const MOST_LATITUDE = 85.0511287798066;

/** The point of a longitude and latitude, in degrees. */
export function point([longitude, latitude]) {
  const held = Math.max(-MOST_LATITUDE, Math.min(MOST_LATITUDE, latitude));
  const sine = Math.sin((held * Math.PI) / 180);
  return [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

/** The longitude, from -180 to below 180, and latitude of a point. */
export function place([x, y]) {
  const longitude = (x - Math.floor(x)) * 360 - 180;
  return [longitude, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI];
}

/** A ring as points that hang together, the first of them as near as can be to `x`: one that crosses the antimeridian goes on. */
export function unrolled(ring, x) {
  let last = x;
  return ring.map((corner) => {
    const [at, y] = point(corner);
    last = at + Math.round(last - at);
    return [last, y];
  });
}

/** The box of points: left, top, right, bottom. */
export function around(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return box;
}

/** West, south, east and north as the corners of a ring. */
export function corners([west, south, east, north]) {
  const end = east < west ? east + 360 : east;
  // A side of half the world has no nearer way round: points between keep it whole.
  const middle = (west + end) / 2;
  return [[west, south], [middle, south], [end, south], [end, north], [middle, north], [west, north]];
}

/** Distances between lines of longitude and latitude, in degrees: round ones. */
const STEPS = [45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];

/** The smallest round distance of lines that are at least `degrees` apart. */
export function step(degrees) {
  return STEPS.findLast((step) => step >= degrees) ?? STEPS[0];
}
