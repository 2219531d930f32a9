//! Lines of `towbar doctor` without what is another in every run.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

/// Ports, times, digests, versions of programs and limits in bytes.
pub fn masked(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for at in 0..words.len() {
        if let Some(rest) = words[at].strip_prefix("127.0.0.1:") {
            let tail: String = rest.chars().skip_while(char::is_ascii_digit).collect();
            words[at] = format!("ADDRESS{tail}");
        }
        if words[at].starts_with("ms") && at > 0 {
            words[at - 1] = "N".to_owned();
        }
        if let Some((of, rest)) = words[at].clone().split_once("-sha256:")
            && rest.len() >= 64
        {
            words[at] = format!("{of}-sha256:HASH{}", &rest[64..]);
        }
        // A limit to within 256 bytes.
        if words[at].len() > 3 && words[at].bytes().all(|byte| byte.is_ascii_digit()) && line.contains("header-size") {
            words[at] = "N".to_owned();
        }
        if words[at].starts_with("nginx/") {
            words[at] = "nginx/VERSION".to_owned();
        }
    }
    words.join(" ")
}

/// A sample run of docs/doctor.md, by the number that it has there.
pub fn sample(number: usize) -> Vec<String> {
    let document = include_str!("../../docs/doctor.md");
    let start = document.split("<!-- a test runs this -->\n```text\n").nth(number).unwrap();
    start.split("```").next().unwrap().lines().map(masked).collect()
}
