//! Writes types the way C declares them.

use super::kind::Kind;
use super::wire::{MAX_CHAIN, Raw, Type};

/// A type's name in C: `struct sock *`, `const char *const`, `int [4]`; a function pointer is just
/// `function *`.
pub(super) fn type_name(raw: &Raw, id: u32) -> String {
    // Outside in: a pointer's star stands right of what it points to.
    let mut qualifiers: Vec<&'static str> = Vec::new();
    let mut right = String::new();
    let mut id = id;
    for _ in 0..MAX_CHAIN {
        let Some(t) = raw.get(id) else {
            let name = if id == 0 { "void" } else { "?" };
            return join(&qualifiers, name, &right);
        };
        match t.kind {
            Kind::Const => qualifiers.push("const"),
            Kind::Volatile => qualifiers.push("volatile"),
            Kind::Restrict => qualifiers.push("restrict"),
            Kind::TypeTag => {}
            Kind::Pointer => {
                right = format!("*{}{right}", qualifiers.join(" "));
                qualifiers.clear();
            }
            Kind::Array => {
                let Some(array) = raw.array(&t) else { break };
                right = format!("{right}[{}]", array.count);
                id = array.element;
                continue;
            }
            _ => return join(&qualifiers, &base_name(raw, &t), &right),
        }
        id = t.target();
    }
    join(&qualifiers, "?", &right)
}

/// A name as text; BTF names are C identifiers, anything else is shown as well as it can be.
pub(super) fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn base_name(raw: &Raw, t: &Type) -> String {
    let tag = match t.kind {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Enum | Kind::Enum64 => "enum ",
        Kind::Forward if t.flag => "union ",
        Kind::Forward => "struct ",
        Kind::FuncProto => return "function".to_owned(),
        _ => "",
    };
    let name = raw.name(t.name).unwrap_or(b"?");
    format!("{tag}{}", if name.is_empty() { "(anonymous)".to_owned() } else { text(name) })
}

fn join(qualifiers: &[&str], name: &str, right: &str) -> String {
    let mut words = qualifiers.to_vec();
    words.push(name);
    if !right.is_empty() {
        words.push(right);
    }
    words.join(" ")
}
