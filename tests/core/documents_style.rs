//! The documentation is plain: short sentences, none of the phrases that readers stumbled over, an example on the first screen of each
//! page, and an index that leads to every page.

use super::documents::{pages, read};

/// Riddles that the documentation once had, each in place of a plain word. Not a list of all bad style.
const DIALECT: [&str; 24] = [
    "that is none",
    "which is none",
    "that has none",
    "none of its",
    "is told",
    "are told",
    "of its own",
    "of their own",
    "of one's own",
    "of your own",
    "the same of",
    "that there are",
    "what there is",
    "no call has",
    "whoever",
    "anew",
    "without a word",
    "passed over",
    "what becomes of",
    "goes before",
    "made whole",
    "is no json",
    "are no json",
    "for want of",
];

/// README.md, the pages of docs/, and the changelog.
fn texts() -> impl Iterator<Item = String> {
    pages().into_iter().chain(["CHANGELOG.md".to_owned()])
}

/// The goal is 25.
const LONGEST_SENTENCE: usize = 35;
/// Lines that a reader sees without scrolling.
const SCREEN: usize = 40;

/// A paragraph, an item of a list, a heading or a cell of a table, without code and the addresses of links.
struct Block {
    line: usize,
    text: String,
}

/// What a page says in words.
fn prose(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut is_code, mut is_open) = (false, false);
    for (line, text) in page.lines().enumerate().map(|(index, text)| (index + 1, text)) {
        let trimmed = text.trim();
        if trimmed.starts_with("```") {
            is_code = !is_code;
            is_open = false;
            continue;
        }
        let is_left_out = is_code || text.starts_with("    ") || trimmed.starts_with("<!--");
        if is_left_out || trimmed.is_empty() {
            is_open = false;
            continue;
        }
        if trimmed.starts_with('|') {
            let cells = trimmed.trim_matches('|').split(" | ");
            blocks.extend(cells.map(|cell| Block { line, text: cell.trim().to_owned() }));
            is_open = false;
            continue;
        }
        let is_numbered =
            trimmed.split_once(". ").is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
        let begins = trimmed.starts_with('#') || trimmed.starts_with("- ") || is_numbered;
        match blocks.last_mut() {
            Some(block) if is_open && !begins => {
                block.text.push(' ');
                block.text.push_str(trimmed);
            }
            _ => blocks.push(Block { line, text: trimmed.to_owned() }),
        }
        is_open = !trimmed.starts_with('#');
    }
    for block in &mut blocks {
        block.text = words_of(&block.text);
    }
    blocks
}

/// Code in backquotes counts as one word, a link as its text.
fn words_of(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| if index % 2 == 0 { part } else { "CODE" });
    let text: String = parts.collect();
    let mut links = text.split("](");
    let first = links.next().unwrap_or_default().to_owned();
    let text = links.fold(first, |text, link| text + link.split_once(')').map_or(link, |(_, behind)| behind));
    text.replace(['[', '*'], "")
}

fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(['.', '!', '?']) {
        let behind = text[at + 1..].trim_start_matches([')', '"', '\'']);
        if behind.is_empty() || behind.starts_with(' ') {
            found.push(&text[start..=at]);
            start = at + 1;
        }
    }
    found.push(&text[start..]);
    found
}

fn count_words(sentence: &str) -> usize {
    sentence.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

#[test]
fn sentences_and_words_are_counted_as_a_reader_counts_them() {
    let page = "# A title\n\nOne [link to\nthere](a.md#b) `x y z`. Two!\n\n- an item\n- **another**\n\n    code. code\n\n| a | b c |\n|---|---|\n";
    let blocks: Vec<String> = prose(page).into_iter().map(|block| format!("{}: {}", block.line, block.text)).collect();
    assert_eq!(
        blocks,
        [
            "1: # A title",
            "3: One link to there CODE. Two!",
            "6: - an item",
            "7: - another",
            "11: a",
            "11: b c",
            "12: ---|---"
        ]
    );
    assert_eq!(sentences("One 2.5 (two.) Three."), ["One 2.5 (two.", ") Three.", ""]);
    assert_eq!(count_words("One link to there CODE - x."), 6);
}

#[test]
fn no_sentence_of_the_documentation_is_too_long() {
    let mut long = Vec::new();
    for page in texts() {
        for block in prose(&read(&page)) {
            for sentence in
                sentences(&block.text).into_iter().filter(|sentence| count_words(sentence) > LONGEST_SENTENCE)
            {
                long.push(format!("{page}:{}: {} words: {}", block.line, count_words(sentence), sentence.trim()));
            }
        }
    }
    assert!(long.is_empty(), "{} sentences:\n{}", long.len(), long.join("\n"));
}

#[test]
fn no_page_of_the_documentation_contains_a_banned_phrase() {
    let mut found = Vec::new();
    for page in texts() {
        for block in prose(&read(&page)) {
            let text =
                format!(" {} ", block.text.to_lowercase().replace(|c: char| !c.is_alphanumeric() && c != '\'', " "));
            for phrase in DIALECT.iter().filter(|phrase| text.contains(&format!(" {phrase} "))) {
                found.push(format!("{page}:{}: \"{phrase}\": {}", block.line, block.text));
            }
        }
    }
    assert!(found.is_empty(), "{} phrases:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_page_shows_an_example_on_its_first_screen() {
    for page in pages() {
        let text = read(&page);
        let mut first = text.lines().take(SCREEN);
        assert!(first.any(|line| line.starts_with("```") || line.starts_with("    ")), "{page}");
    }
}

#[test]
fn the_index_links_to_every_page() {
    let index = read("docs/README.md");
    let pages = pages();
    assert!(pages.len() > 20, "{pages:?}");
    for page in pages.iter().filter_map(|page| page.strip_prefix("docs/")).filter(|page| *page != "README.md") {
        assert!(index.contains(&format!("]({page})")), "{page}");
    }
    assert!(read("README.md").contains("](docs/README.md)"));
}

#[test]
fn the_glossary_is_short() {
    let glossary = read("docs/glossary.md");
    let words = glossary.lines().filter(|line| line.starts_with("| **")).count();
    assert!((10..=20).contains(&words), "{words}");
}
