// A page that was opened as a file may start no worker, so the search runs in a hidden frame there.
if (location.protocol === "file:")
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.append(this.frame);
      const inner = this.frame.contentWindow;
      inner.postMessage = (data) => this.send(this, data);
      const script = inner.document.createElement("script");
      script.src = url;
      this.ready = new Promise((done) => (script.onload = () => done(inner)));
      inner.document.head.append(script);
    }

    postMessage(data) {
      this.ready.then((inner) => this.send(inner, data));
    }

    send(target, data) {
      const copy = structuredClone(data); // as between threads: neither side sees the other's changes
      setTimeout(() => target.onmessage?.({ data: copy }));
    }

    terminate() {
      this.frame.remove();
    }
  };
