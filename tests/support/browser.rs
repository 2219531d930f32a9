//! A real browser without a window, which a test leads through a page: Chromium, over its DevTools protocol.
//!
//! The protocol is spoken over two pipes (`--remote-debugging-pipe`), so that no port is open. What the browser asks any server for is
//! noted, and so is what a page's policy forbids.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::programs::{Package, installed};

/// Longest wait for an answer of the browser, and for anything on a page.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says it on the page's console when its policy forbids something.
const WATCH: &str = "document.addEventListener('securitypolicyviolation', e => console.error('forbidden: ' + e.violatedDirective + ' ' + e.blockedURI))";

/// A browser with one page.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    /// The URL of every request that was made.
    pub requests: Vec<String>,
    /// Errors on the console, what a policy forbids among them, and exceptions of scripts.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium, if it is installed.
    pub fn start() -> Option<Self> {
        let program = installed("chromium", Package::Debian("chromium"))?;
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // Chromium reads commands from descriptor 3 and writes messages to 4.
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 >/dev/null", "sh"]).arg(program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--remote-debugging-pipe", "--window-size=1200,1600", "about:blank"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (commands, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let messages = BufReader::new(output).split(0).map_while(Result::ok);
            messages.map_while(|text| serde_json::from_slice(&text).ok()).try_for_each(|message| sender.send(message))
        });
        let (session, last, requests, complaints) = (String::new(), 0, Vec::new(), Vec::new());
        let mut browser = Self { child, commands, messages, session, last, requests, complaints, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        browser.session = session;
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
        Some(browser)
    }

    /// Sends a command and gives its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let message = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                self.requests.push(parameters["request"]["url"].as_str().unwrap().to_owned());
            }
            "Runtime.consoleAPICalled" if parameters["type"] == "error" => {
                self.complaints.push(parameters["args"].to_string());
            }
            "Runtime.exceptionThrown" => self.complaints.push(parameters["exceptionDetails"].to_string()),
            "Log.entryAdded" if parameters["entry"]["source"] == "security" => {
                self.complaints.push(parameters["entry"]["text"].to_string());
            }
            _ => {}
        }
    }

    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
    }

    /// The value of an expression on the page; `null` where there is none.
    pub fn value(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression has a value that is not empty, and gives that as text.
    pub fn wait_for(&mut self, expression: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.value(expression) {
                Value::Null | Value::Bool(false) => {}
                Value::String(text) if text.is_empty() => {}
                Value::String(text) => return text,
                other => return other.to_string(),
            }
            if Instant::now() > end {
                let page = self.value("document.body.innerText");
                panic!("{expression}: nothing yet, complaints {:?}, page {page}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Clicks what a selector finds, once it is there.
    pub fn click(&mut self, selector: &str) {
        self.wait_for(&format!("!!document.querySelector({selector:?})"));
        self.value(&format!("document.querySelector({selector:?}).click()"));
    }

    /// Types a text into the field that a selector finds, in place of what is in it.
    pub fn fill(&mut self, selector: &str, text: &str) {
        self.wait_for(&format!("!!document.querySelector({selector:?})"));
        self.value(&format!("(field => {{ field.focus(); field.select(); }})(document.querySelector({selector:?}))"));
        self.call("Input.insertText", json!({ "text": text }));
        // Some fields take a text only when they are left.
        self.value("document.activeElement.blur()");
    }

    /// The page as a picture.
    pub fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let end = Instant::now() + Duration::from_secs(5);
        while self.child.try_wait().is_ok_and(|code| code.is_none()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
