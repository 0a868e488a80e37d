//! A custom runtime with nothing but Rust's standard library.
use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{exit, Command};
use std::thread::{sleep, spawn};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const API: &str = "/2018-06-01/runtime/";

extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn raise(number: i32) -> i32;
}

extern "C" fn on_end(_: i32) {
    let _ = std::io::stdout().write_all(b"told to end\n");
    exit(0);
}

struct Answer {
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Client {
    to: TcpStream,
    from: BufReader<TcpStream>,
}

impl Client {
    fn dial() -> Client {
        let to = TcpStream::connect(env::var("AWS_LAMBDA_RUNTIME_API").unwrap()).unwrap();
        let from = BufReader::new(to.try_clone().unwrap());
        Client { to, from }
    }

    fn call(&mut self, method: &str, path: &str, more: &str, body: &[u8]) -> Answer {
        let size = body.len();
        write!(self.to, "{method} {API}{path} HTTP/1.1\r\nHost: runtime\r\n{more}Content-Length: {size}\r\n\r\n").unwrap();
        self.to.write_all(body).unwrap();
        self.receive()
    }

    fn receive(&mut self) -> Answer {
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line).unwrap_or(0) == 0 {
                exit(1);
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_lowercase(), value.trim().to_string());
            }
        }
        let size = headers.get("content-length").map_or(0, |size| size.parse().unwrap());
        let mut body = vec![0; size];
        self.from.read_exact(&mut body).unwrap();
        Answer { headers, body }
    }

    fn fail(&mut self, path: &str, kind: &str, message: &str) {
        let said = format!("{{\"errorType\":\"{kind}\",\"errorMessage\":{message}}}");
        let more = format!("Lambda-Runtime-Function-Error-Type: {kind}\r\n");
        self.call("POST", path, &more, said.as_bytes());
    }

    fn stream(&mut self, id: &str) {
        write!(
            self.to,
            "POST {API}invocation/{id}/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: text/plain\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .unwrap();
        for part in ["one,", "two,", "three", ""] {
            write!(self.to, "{:x}\r\n{part}\r\n", part.len()).unwrap();
        }
        self.receive();
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// What a JSON string of the test says: it holds no escapes but these.
fn unquoted(value: &str) -> String {
    value.trim_matches('"').replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\")
}

fn shell(command: &str) -> String {
    let done = Command::new("/bin/sh").args(["-c", command]).output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn context(id: &str, invocation: &Answer) -> String {
    let header = |name: &str| invocation.headers.get(name).cloned().unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let left = header("lambda-runtime-deadline-ms").parse::<i64>().unwrap() - now;
    let client = header("lambda-runtime-client-context");
    let custom = client.strip_prefix("{\"custom\": ").and_then(|rest| rest.strip_suffix('}'));
    let members = [
        ("id", id.to_string()),
        ("name", variable("AWS_LAMBDA_FUNCTION_NAME")),
        ("version", variable("AWS_LAMBDA_FUNCTION_VERSION")),
        ("arn", header("lambda-runtime-invoked-function-arn")),
        ("memory", variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")),
        ("group", variable("AWS_LAMBDA_LOG_GROUP_NAME")),
        ("stream", variable("AWS_LAMBDA_LOG_STREAM_NAME")),
    ];
    let members = members.map(|(name, value)| format!("\"{name}\":{}", quoted(&value))).join(",");
    format!("{{\"missing\":[],\"left\":{left},\"client\":{},{members}}}", custom.unwrap_or("null"))
}

fn write_later() {
    sleep(Duration::from_millis(50));
    fs::write("/tmp/later", "").unwrap();
}

fn act(what: &str, value: &str, id: &str, invocation: &Answer, count: &mut u32) -> String {
    match what {
        "echo" => return value.to_string(),
        "size" => return (value.len() - 2).to_string(),
        "large" => return quoted(&"x".repeat(value.parse().unwrap())),
        "context" => return context(id, invocation),
        "exit" => exit(value.parse().unwrap()),
        "crash" => drop(unsafe { raise(9) }),
        "memory" => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1u8; 10_000_000]);
            }
        }
        "sleep" => sleep(Duration::from_secs_f64(value.parse().unwrap())),
        "env" => {
            let all = env::vars().map(|(name, value)| format!("{}:{}", quoted(&name), quoted(&value)));
            return format!("{{{}}}", all.collect::<Vec<_>>().join(","));
        }
        "sh" => return quoted(&shell(&unquoted(value))),
        "print" => {
            println!("to the output");
            eprintln!("to the error");
            println!("two\nlines");
        }
        "count" => {
            *count += 1;
            return count.to_string();
        }
        "later" => drop(spawn(write_later)),
        "trace" => return quoted(&invocation.headers["lambda-runtime-trace-id"]),
        "layer" => return format!("[{},{}]", quoted(&shell("cat /opt/shared.txt")), quoted(&shell("own"))),
        _ => {}
    }
    "null".to_string()
}

fn begin(client: &mut Client) {
    let first = !Path::new("/tmp/begun").exists();
    fs::write("/tmp/begun", "").unwrap();
    match variable("INIT").as_str() {
        "sleep" if first => sleep(Duration::from_secs(60)),
        "exit" => exit(3),
        "once" if !first => {}
        "raise" | "once" => {
            client.fail("init/error", "Custom.Init", "\"not ready\"");
            exit(1);
        }
        _ => {}
    }
    if !variable("WITHIN").is_empty() {
        Command::new("/opt/within").arg("true").status().unwrap();
    }
}

fn main() {
    unsafe { signal(15, on_end) };
    let mut client = Client::dial();
    let mut count = 0;
    begin(&mut client);
    loop {
        let invocation = client.call("GET", "invocation/next", "", b"");
        let id = invocation.headers["lambda-runtime-aws-request-id"].clone();
        let event = std::str::from_utf8(&invocation.body).unwrap();
        // The test writes its events in this very form.
        let (what, value) = event[8..event.len() - 1].split_once("\", \"value\": ").unwrap();
        match what {
            "raise" => client.fail(&format!("invocation/{id}/error"), "Custom.Error", value),
            "stream" => client.stream(&id),
            _ => {
                let said = act(what, value, &id, &invocation, &mut count);
                client.call("POST", &format!("invocation/{id}/response"), "", said.as_bytes());
            }
        }
    }
}
