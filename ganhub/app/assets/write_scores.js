(names, weights) =>
  names
    .map((name, place) => [name, Math.round(weights[place] * 10) / 10])
    .filter(([, weight]) => weight)
    .map(([name, weight]) => `${name}=${weight}`)
    .join(",")
