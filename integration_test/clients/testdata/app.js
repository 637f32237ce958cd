// A small app on node:http, with keep-alive that ends after a second.
const http = require('node:http');
const crypto = require('node:crypto');

const requests = {};
const server = http.createServer((req, res) => {
  const hash = crypto.createHash('sha256');
  let length = 0;
  req.on('data', (d) => { hash.update(d); length += d.length; });
  req.on('end', () => {
    requests[req.url] = (requests[req.url] || 0) + 1;
    const text = JSON.stringify({ method: req.method, target: req.url, length, sha256: hash.digest('hex'), times: requests[req.url] });
    res.setHeader('Content-Type', 'application/json');
    // Node announces its keep-alive time unless the app sets Connection itself.
    if (req.url.includes('quiet')) res.setHeader('Connection', 'keep-alive');
    if (req.url.startsWith('/close')) res.setHeader('Connection', 'close');
    if (req.url.startsWith('/chunked')) {
      for (let i = 0; i < text.length; i += 7) res.write(text.slice(i, i + 7));
      res.end();
      return;
    }
    res.setHeader('Content-Length', Buffer.byteLength(text));
    res.end(text);
  });
});
server.keepAliveTimeout = 1000; // milliseconds
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
