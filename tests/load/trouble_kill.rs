//! A bank whose process is killed under load: each call has one answer that is true, and calls work again when it is back.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::http::Answer;
use crate::support::pay::{in_parallel, paid, pay, pay_on};
use crate::support::raw::{Does, RawBank};
use crate::support::{Gateway, assert_reply};
use crate::turns;

/// Where the process that is killed listens, if this is that process.
const ADDRESS: &str = "TOWBAR_TEST_BANK";
const CALLERS: usize = 8;
const CALLS: usize = 150;

/// The bank in a process of its own, which says on its standard output what it acts on before it answers.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// This test once more, as the bank.
    fn start(address: &str, acted: &Arc<Mutex<HashMap<String, usize>>>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "trouble_kill::killing_the_backend_causes_no_double_payment_and_calls_resume_when_it_returns",
            "--nocapture",
        ]);
        let mut child = command.env(ADDRESS, address).stdout(Stdio::piped()).spawn().unwrap();
        let (stdout, acted) = (child.stdout.take().unwrap(), Arc::clone(acted));
        let (told, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                match line.strip_prefix("acted ") {
                    Some(id) => *acted.lock().unwrap().entry(id.to_owned()).or_default() += 1,
                    None => drop(told.send(line)),
                }
            }
        });
        Self { child, lines }
    }

    fn address(&self) -> SocketAddr {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(20)).unwrap();
            if let Some((_, address)) = line.split_once("listening on ") {
                return address.parse().unwrap();
            }
        }
    }
}

impl Process {
    /// SIGKILL.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // All that it has said is read.
        while self.lines.recv().is_ok() {}
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn be_the_bank(address: SocketAddr) -> ! {
    let mut bank = RawBank::start(|id, _| {
        say(&format!("acted {id}"));
        Does::Slow(Duration::from_millis(5))
    });
    if address.port() > 0 {
        bank.kill();
        bank.address = address;
        bank.restart();
    }
    say(&format!("\nlistening on {}", bank.address));
    // Until it is killed, or forgotten.
    thread::sleep(Duration::from_secs(120));
    std::process::exit(1)
}

/// Why an answer is none that a call may get, if so.
fn wrong(id: &str, answer: &Answer, acted: usize) -> Option<String> {
    let (_, message) = if answer.status == 200 { (0, String::new()) } else { answer.refusal() };
    let is_right = match answer.status {
        200 => acted == 1 && answer.body == paid(id),
        502 | 504 => message.contains("unknown") && acted <= 1,
        503 => message.contains("not sent") && acted == 0,
        _ => false,
    };
    (!is_right).then(|| format!("{id}: acted {acted} times: {answer:?}"))
}

#[test]
fn killing_the_backend_causes_no_double_payment_and_calls_resume_when_it_returns() {
    if let Ok(address) = std::env::var(ADDRESS) {
        be_the_bank(address.parse().unwrap());
    }
    let _turn = turns::beside_others();
    let acted = Arc::default();
    let mut bank = Process::start("127.0.0.1:0", &acted);
    let address = bank.address();
    let config =
        format!("schema: proto\nstatus_headers: {{}}\nupstream: {{address: 'http://{address}', deadline: 2s}}\n");
    let gateway = Gateway::start(&config, None);
    assert_reply(&pay(&gateway, "first"), &paid("first"), "before");
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            in_parallel(gateway.address, CALLERS, CALLS, |stream, id| {
                let answer = pay_on(stream, id);
                if answer.status == 503 {
                    thread::sleep(Duration::from_millis(10));
                }
                answers.lock().unwrap().push((id.to_owned(), answer));
                None
            });
        });
        for round in 0..3 {
            thread::sleep(Duration::from_millis(150));
            bank.kill();
            bank = Process::start(&address.to_string(), &acted);
            assert_eq!(bank.address(), address);
            let back = Instant::now();
            let mut call = 0;
            while pay(&gateway, &format!("back-{round}-{call}")).status != 200 {
                call += 1;
                assert!(back.elapsed() < Duration::from_secs(10), "round {round}: {call} calls");
            }
            eprintln!("round {round}: back after {} ms", back.elapsed().as_millis());
        }
    });
    drop(bank);
    let (answers, acted) = (answers.into_inner().unwrap(), acted.lock().unwrap());
    let wrong: Vec<String> = answers
        .iter()
        .filter_map(|(id, answer)| wrong(id, answer, acted.get(id).copied().unwrap_or_default()))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    let lost = answers.iter().filter(|(_, answer)| answer.status == 502).count();
    assert!(lost > 0, "nothing was in flight");
}
