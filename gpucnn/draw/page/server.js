// The network behind the page of `gpucnn draw`: its server, which is asked over HTTP.

const source = {
  name: "gpucnn draw",
  pictures: false,

  async describe() {
    const network = await (await fetch("/network")).json();
    for (const { kernels } of network.layers) if (kernels) kernels.bytes = fromBase64(kernels.bytes);
    return network;
  },

  async answer(drawing) {
    const body = JSON.stringify({ ...drawing, ink: toBase64(drawing.ink) });
    const request = { method: "POST", headers: { "Content-Type": "application/json" }, body };
    const response = await fetch("/answer", request).catch(() => {
      throw new Error("has gpucnn draw been ended?");
    });
    if (!response.ok) throw new Error(await response.text());
    const answers = await response.json();
    answers.image = fromBase64(answers.image);
    answers.why = answers.why && fromBase64(answers.why);
    for (const layer of answers.layers) layer.bytes = fromBase64(layer.bytes);
    return answers;
  },
};

function toBase64(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}

function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}
