//! The same small application for Ruby and Python: `/`, `/sleep/MS`, `/bytes/N`.

/// A Rack application.
pub const RACK: &str = r#"run lambda { |env|
  body = "hello\n"
  case env["PATH_INFO"]
  when %r{\A/sleep/(\d+)\z} then sleep($1.to_i / 1000.0)
  when %r{\A/bytes/(\d+)\z} then body = "." * $1.to_i
  end
  [200, { "content-type" => "text/plain", "content-length" => body.bytesize.to_s }, [body]]
}
"#;

/// A WSGI application named `app`, which besides has `/upload/PORT/N`: it answers, and goes on sending `N` bytes to a
/// port of this host in a greenlet (under gevent) or thread of its own, one of `uploads`.
pub const WSGI: &str = r#"import socket, threading, time

uploads = []

def upload(port, length):
    with socket.create_connection(("127.0.0.1", port)) as out:
        out.sendall(b"." * length)
        out.shutdown(socket.SHUT_WR)
        out.recv(1)

def app(environ, start_response):
    kind, _, number = environ["PATH_INFO"].lstrip("/").partition("/")
    body = b"hello\n"
    if kind == "sleep":
        time.sleep(int(number) / 1000)
    elif kind == "bytes":
        body = b"." * int(number)
    elif kind == "upload":
        port, _, length = number.partition("/")
        uploads.append(threading.Thread(target=upload, args=(int(port), int(length)), daemon=True))
        uploads[-1].start()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;
