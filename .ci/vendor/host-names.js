// Stands in for punycode.js: the browser encodes international host names, and they are shown encoded.
export default {
  toASCII: (host) => (/[^\0-\x7f]/.test(host) ? new URL(`http://${host}`).hostname : host),
  toUnicode: (host) => host,
};
