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

/// A WSGI application named `app`.
pub const WSGI: &str = r#"import time

def app(environ, start_response):
    kind, _, number = environ["PATH_INFO"].lstrip("/").partition("/")
    body = b"hello\n"
    if kind == "sleep":
        time.sleep(int(number) / 1000)
    elif kind == "bytes":
        body = b"." * int(number)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;
