//! The prototypes of the kernel's tracepoints: those that the probes' comments quote are those in the document, and
//! those of the kernel at hand.

use crate::{Offence, document, sources::Source};
use anyhow::Result;
use drain_observer::kernel::btf::Btf;
use std::collections::BTreeSet;

/// Where the probes lie.
pub const PROBES: &str = "drain-observer-ebpf/src/probes/";

/// A tracepoint's prototype as a file quotes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quoted {
    /// The tracepoint.
    pub name: String,
    /// The types of its arguments, the last one `...` where more follow.
    pub types: Vec<String>,
    /// As it is written.
    pub text: String,
    /// Where.
    pub file: String,
}

/// The prototypes that the probes' comments quote, in backticks: `` `mark_victim(int pid)` ``. Those of functions that
/// are no tracepoints, which kprobes are for, are left out.
pub fn quoted(sources: &[Source]) -> Vec<Quoted> {
    let probes = sources.iter().filter(|source| source.path.starts_with(PROBES));
    let all = probes.flat_map(|source| {
        let functions = programs(&source.text, "#[kprobe]");
        in_comments(source).into_iter().filter(move |quoted| !functions.contains(&quoted.name))
    });
    all.collect()
}

/// Files with programs for tracepoints of which no comment quotes a prototype.
pub fn unquoted(sources: &[Source]) -> Vec<Offence> {
    let probes = sources.iter().filter(|source| source.path.starts_with(PROBES));
    let poor = probes.filter_map(|source| {
        let programs = programs(&source.text, "#[raw_tracepoint]");
        let quoted: BTreeSet<String> = in_comments(source).into_iter().map(|quoted| quoted.name).collect();
        let missing = programs.len().saturating_sub(quoted.len());
        (missing > 0).then(|| {
            Offence::new(
                &source.path,
                format!("of {} programs for tracepoints, {missing} quote no prototype", programs.len()),
                "quote it in the file's comment, in backticks and as the kernel's source has it",
            )
        })
    });
    poor.collect()
}

/// What the document's table of hooks and the comments do not agree about.
pub fn check_document(document: &str, quoted: &[Quoted]) -> Result<Vec<Offence>> {
    let rows: BTreeSet<(String, String)> = document::table::<2>(document, "hooks")?
        .into_iter()
        .map(|[prototype, file]| (prototype, format!("{PROBES}{file}")))
        .collect();
    let quoted: BTreeSet<(String, String)> =
        quoted.iter().map(|quoted| (quoted.text.clone(), quoted.file.clone())).collect();
    let file = |file: &str| file.trim_start_matches(PROBES).to_owned();
    let missing = quoted.difference(&rows).map(|(prototype, at)| {
        Offence::new(
            document::PATH,
            format!("{at} relies on `{prototype}`, which the table of hooks does not have"),
            format!("write | `{prototype}` | `{}` |", file(at)),
        )
    });
    let gone = rows.difference(&quoted).map(|(prototype, at)| {
        Offence::new(
            document::PATH,
            format!("the table of hooks has `{prototype}`, which {at} does not quote"),
            "take the row out, or mend the comment",
        )
    });
    Ok(missing.chain(gone).collect())
}

/// What a kernel says of a quoted prototype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is so.
    Fits,
    /// This kernel has no such tracepoint, or one with fewer arguments, as older kernels do.
    Older(String),
    /// It is otherwise.
    Differs(Offence),
}

/// Asks a kernel about every tracepoint that a file quotes. Where several are quoted for one, as kernels had one after
/// the other, one of them has to fit.
pub fn ask(btf: &Btf, quoted: &[Quoted]) -> Vec<Answer> {
    let names: BTreeSet<(&str, &str)> =
        quoted.iter().map(|quoted| (quoted.file.as_str(), quoted.name.as_str())).collect();
    names
        .into_iter()
        .map(|(file, name)| {
            let found = btf.prototype(&format!("btf_trace_{name}"));
            let found = found.map(|found| found.iter().map(|one| unqualified(&one.type_name)).collect());
            let these = quoted.iter().filter(|quoted| quoted.file == file && quoted.name == name);
            compare(file, name, these.map(|quoted| quoted.types.as_slice()), found)
        })
        .collect()
}

fn compare<'a>(
    file: &str,
    name: &str,
    quoted: impl Iterator<Item = &'a [String]>,
    found: Option<Vec<String>>,
) -> Answer {
    let Some(found) = found else { return Answer::Older(format!("this kernel has no tracepoint {name}")) };
    let mut fewer = false;
    for types in quoted {
        let told = types.strip_suffix(&["...".to_owned()]).unwrap_or(types);
        if found.starts_with(told) {
            return Answer::Fits;
        }
        fewer |= told.starts_with(&found);
    }
    if fewer {
        return Answer::Older(format!("{name} has {} arguments on this kernel", found.len()));
    }
    Answer::Differs(Offence::new(
        file,
        format!("this kernel has {name}({}), which is none of what is quoted", found.join(", ")),
        "see what the probe reads of each argument here, and quote this prototype, too, with the kernels that have it",
    ))
}

/// Names of the functions that have this attribute.
fn programs(text: &str, attribute: &str) -> Vec<String> {
    let lines = || text.lines().map(str::trim);
    let after = lines().zip(lines().skip(1)).filter(|(line, _)| *line == attribute);
    let name = |line: &str| Some(line.split_once("fn ")?.1.split_once('(')?.0.to_owned());
    after.filter_map(|(_, line)| name(line)).collect()
}

fn in_comments(source: &Source) -> Vec<Quoted> {
    let comment = |line: &str| {
        let line = line.trim();
        let words = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"));
        words.map(|words| words.trim().trim_start_matches("* ").to_owned())
    };
    let comments: Vec<String> = source.text.lines().filter_map(comment).collect();
    let comments = comments.join(" ");
    // What is between an odd backtick and the next one.
    let spans = comments.split('`').skip(1).step_by(2);
    spans.filter_map(|span| quote(span, &source.path)).collect()
}

fn quote(span: &str, file: &str) -> Option<Quoted> {
    let (name, arguments) = span.strip_suffix(')')?.split_once('(')?;
    let is_name = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let types: Vec<String> = arguments.split(',').map(|argument| type_of(argument.trim())).collect();
    // Not those of system calls, whose number is that of a section of the manual: connect(2).
    let has_types = arguments.contains(' ');
    (is_name && has_types).then(|| Quoted {
        name: name.to_owned(),
        types,
        text: span.to_owned(),
        file: file.to_owned(),
    })
}

/// An argument without its name: `const struct sock *sk` is a `struct sock *`.
fn type_of(argument: &str) -> String {
    let end = argument.rfind(['*', ' ']).map_or(argument.len(), |at| at + 1);
    unqualified(argument[..end].trim())
}

/// A type without what says nothing about what is passed, and by the shorter of C's names for it.
fn unqualified(type_name: &str) -> String {
    let words = type_name.split_whitespace().filter(|word| !matches!(*word, "const" | "volatile"));
    match words.collect::<Vec<_>>().join(" ").as_str() {
        "long int" => "long".to_owned(),
        "long unsigned int" => "unsigned long".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//! Ends, unlike close(2) or `accept(2)`.\n//!\n//! * `mark_victim(const struct task_struct *task,\n\
        //! uid_t uid)`; before `mark_victim(int pid)`.\n/// `graft(struct sock *sk, int)`\n#[kprobe]\nfn graft(c: C) {}\n\
        #[raw_tracepoint]\nfn mark_victim(c: C) {}\n";

    fn source(text: &str) -> [Source; 1] {
        [Source::new(&format!("{PROBES}a.rs"), text)]
    }

    fn types(types: &[&str]) -> Vec<String> {
        types.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn prototypes_are_found_in_comments() {
        let found = quoted(&source(TEXT));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].types, types(&["struct task_struct *", "uid_t"]));
        assert_eq!(found[1].text, "mark_victim(int pid)");
        assert_eq!(unquoted(&source(TEXT)), []);
        let silent = "#[raw_tracepoint]\nfn mark_victim(c: C) {}\n";
        assert!(
            unquoted(&source(silent))[0]
                .wrong
                .contains("of 1 programs for tracepoints, 1 quote no prototype")
        );
    }

    #[test]
    fn the_document_has_each() {
        let table = |rows: &str| format!("<!-- hooks -->\n| p | f |\n|---|---|\n{rows}<!-- /hooks -->\n");
        let quoted = quoted(&source(TEXT));
        let rows = "| `mark_victim(const struct task_struct *task, uid_t uid)` | `a.rs` |\n| `mark_victim(int pid)` | `a.rs` |\n";
        assert_eq!(check_document(&table(rows), &quoted).expect("a table"), []);
        let less =
            rows.lines().next().map(|row| format!("{row}\n| `gone(int a)` | `b.rs` |\n")).unwrap_or_default();
        let offences = check_document(&table(&less), &quoted).expect("a table");
        assert_eq!(offences.len(), 2, "{offences:?}");
    }

    #[test]
    fn a_kernel_fits_differs_or_is_older() {
        let compare = |quoted: &[&str], found: Option<&[&str]>| {
            let quoted = types(quoted);
            compare("a.rs", "hook", std::iter::once(quoted.as_slice()), found.map(types))
        };
        let (sock, skb) = ("struct sock *", "struct sk_buff *");
        assert_eq!(compare(&[sock, skb], Some(&[sock, skb])), Answer::Fits);
        assert_eq!(compare(&[sock], Some(&[sock, skb])), Answer::Fits);
        assert_eq!(compare(&[sock, "..."], Some(&[sock, skb])), Answer::Fits);
        assert_eq!(unqualified("const long int"), unqualified("long"));
        assert!(matches!(compare(&[sock, skb], Some(&[sock])), Answer::Older(_)));
        assert!(matches!(compare(&[sock], None), Answer::Older(_)));
        let Answer::Differs(offence) = compare(&[sock, skb], Some(&[skb, sock])) else {
            panic!("it differs")
        };
        assert!(offence.wrong.contains("this kernel has hook(struct sk_buff *, struct sock *)"), "{offence}");
    }
}
