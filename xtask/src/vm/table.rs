//! The documentation's table of kernels, from what a run found on each of them.

use super::{Table, console::Console};
use crate::{document, workspace::Workspace};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;

const FILE: &str = "drain-observer/docs/kernels.md";
const NAME: &str = "kernels";
const HEAD: &str =
    "| kernel | hooks attached | not attached, or telling less | outcomes verified |\n|---|---|---|---|\n";

/// Writes the table, or says that it is not up to date.
pub(super) fn settle(workspace: &Workspace, consoles: &[&Console], what: Table) -> Result<()> {
    let file = workspace.root().join(FILE);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let rows: String = consoles.iter().filter_map(|console| row(console)).collect();
    let new = document::with_section(&text, NAME, &format!("{HEAD}{rows}"))
        .with_context(|| format!("cannot rewrite {}", file.display()))?;
    match what {
        _ if new == text => println!("{FILE} is up to date"),
        Table::Compare => {
            println!(
                "{FILE} is not what this run found; `cargo xtask test --vm --write-table` writes:\n{HEAD}{rows}"
            );
        }
        Table::Write => {
            fs::write(&file, new).with_context(|| format!("cannot write {}", file.display()))?;
            println!("{FILE} written");
        }
    }
    Ok(())
}

fn row(console: &Console) -> Option<String> {
    let release = console.release.as_deref()?;
    let doctor = console.doctor.as_ref()?;
    let hooks = doctor["hooks"].as_array()?;
    let attached =
        hooks.iter().filter(|hook| hook["state"] == "attached").filter_map(|hook| hook["name"].as_str());
    let attached: Vec<String> = attached.map(|name| format!("`{name}`")).collect();
    let others = hooks
        .iter()
        .filter(|hook| hook["state"] != "attached")
        .map(|hook| format!("`{}` {}: {}", text(&hook["name"]), text(&hook["state"]), text(&hook["reason"])));
    let (good, bad): (Vec<_>, Vec<_>) =
        doctor["checks"].as_array().into_iter().flatten().partition(|check| check["state"] == "ok");
    let accepts =
        good.iter().filter(|check| check["name"] == "accept times").map(|check| text(&check["found"]));
    let attached = attached.join(", ");
    let attached: Vec<&str> = std::iter::once(attached.as_str()).chain(accepts).collect();
    let checks = bad.into_iter().map(|check| {
        format!("{} {}: {}", text(&check["name"]), text(&check["state"]), text(&check["found"]))
    });
    let less: Vec<String> = others.chain(checks).collect();
    let less = if less.is_empty() { "-".to_owned() } else { less.join("<br>") };
    let outcomes: Vec<String> = console.outcomes.iter().map(|outcome| format!("`{outcome}`")).collect();
    let cells = [release, &attached.join("<br>"), &less, &outcomes.join(", ")];
    Some(format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_says_what_is_there_and_what_is_not() {
        let doctor = json!({
            "checks": [
                {"name": "BTF", "state": "ok", "found": "there"},
                {"name": "accept times", "state": "ok", "found": "--accept-times can use x"},
                {"name": "sock_diag", "state": "warning", "found": "/proc/net/tcp instead"},
            ],
            "hooks": [
                {"name": "a", "state": "attached"},
                {"name": "b", "state": "degraded", "reason": "x | y"},
                {"name": "c", "state": "attached"},
            ],
        });
        let mut console = Console::default();
        let told = format!("@vm up 6.1.0\n@vm doctor {doctor}\n@vm outcome served\n@vm outcome refused\n");
        console.feed(told.as_bytes());
        assert_eq!(
            row(&console).expect("all is known"),
            "| 6.1.0 | `a`, `c`<br>--accept-times can use x | `b` degraded: x \\| y<br>sock_diag warning: /proc/net/tcp instead | `refused`, `served` |\n"
        );
        assert_eq!(row(&Console::default()), None);
    }
}
