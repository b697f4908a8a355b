//! The paths that a module's code names, in `use`, in types and expressions, and in what macros are given; without its
//! tests.

use crate::modules::{Module, is_for_tests};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::visit::{self, Visit};
use syn::{Attribute, ExprMethodCall, ImplItem, Item, ItemUse, UseTree};

/// What a module's code names.
#[derive(Debug, Default)]
pub struct Named {
    /// Paths, each by its names as written: `["crate", "event", "BootNs"]`.
    pub paths: BTreeSet<Vec<String>>,
    /// Macros, by their last name.
    pub macros: BTreeSet<String>,
    /// Methods that are called.
    pub methods: BTreeSet<String>,
}

/// What a module's code names.
pub fn named_in(module: &Module) -> Named {
    let mut visitor = Visitor::default();
    visitor.visit_file(&module.syntax);
    visitor.found
}

/// A path as seen from the crate's root, without `crate`; `None` where it begins with none of `crate`, `self`, `super`.
pub fn resolved(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let first = path.first()?;
    let mut from: Vec<String> = module.to_vec();
    match first.as_str() {
        "crate" => from.clear(),
        "self" => {}
        "super" => {
            let ups = path.iter().take_while(|name| *name == "super").count();
            from.truncate(from.len().checked_sub(ups)?);
            from.extend(path[ups..].iter().cloned());
            return Some(from);
        }
        _ => return None,
    }
    from.extend(path[1..].iter().cloned());
    Some(from)
}

#[derive(Default)]
struct Visitor {
    found: Named,
    /// How deep in modules that are written in the file itself.
    inline: usize,
}

impl Visitor {
    /// Where the file's own modules are written in it, one `super` leads to the file's.
    fn add(&mut self, mut path: Vec<String>) {
        let ups = path.iter().take_while(|name| *name == "super").count().min(self.inline);
        path.drain(..ups);
        if ups > 0 && path.first().is_none_or(|name| name != "super") {
            path.insert(0, "self".to_owned());
        }
        self.found.paths.insert(path);
    }

    fn add_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) if name.ident == "self" => self.add(before.to_vec()),
            UseTree::Name(name) => self.add(with(&name.ident)),
            UseTree::Rename(name) => self.add(with(&name.ident)),
            UseTree::Glob(_) => self.add(before.to_vec()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, before)),
        }
    }

    /// What macros are given is no syntax yet: names with `::` between are taken for paths, one after a dot for a method.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut before = ' ';
        for token in tokens {
            match token {
                TokenTree::Ident(name) if before == '.' => drop(self.found.methods.insert(name.to_string())),
                TokenTree::Ident(name) => {
                    if before != ':' {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                }
                TokenTree::Punct(punct) => {
                    before = punct.as_char();
                    if before == '!' {
                        self.found.macros.extend(path.last().cloned());
                    }
                    if before != ':' {
                        self.end(&mut path);
                    }
                    continue;
                }
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.add_tokens(group.stream());
                }
                TokenTree::Literal(_) => self.end(&mut path),
            }
            before = ' ';
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.add(std::mem::take(path));
        }
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        let inline = matches!(item, Item::Mod(_));
        self.inline += usize::from(inline);
        visit::visit_item(self, item);
        self.inline -= usize::from(inline);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.found.methods.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.found.macros.extend(called.path.segments.last().map(|segment| segment.ident.to_string()));
        self.add_tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> BTreeSet<String> {
        let syntax = syn::parse_file(text).expect("Rust");
        let module = Module { path: vec!["a".into(), "b".into()], file: "a/b.rs".into(), syntax };
        let resolved = |path: Vec<String>| resolved(&path, &module.path).unwrap_or(path).join("::");
        named_in(&module).paths.into_iter().map(resolved).collect()
    }

    #[test]
    fn paths_are_found_wherever_they_are_written() {
        for text in [
            "use crate::x::{self, Y};",
            "use crate::{x, z};",
            "use super::super::x;",
            "fn f() { crate::x::y(); }",
            "fn f(y: crate::x) {}",
            "fn f() { println!(\"{}\", crate::x); }",
            "#[derive(crate::x)] struct S;",
            "mod inner { use super::super::super::x; }",
        ] {
            assert!(
                named(text).iter().any(|path| path == "x" || path.starts_with("x::")),
                "{text}: {:?}",
                named(text)
            );
        }
        assert!(named("mod inner { use super::c::d; }").contains("a::b::c::d"));
    }

    #[test]
    fn macros_and_methods_are_found_inside_macros() {
        let text = "fn f() { assert!(x.unwrap() == dbg!(1)); y.expect(\"z\"); }";
        let syntax = syn::parse_file(text).expect("Rust");
        let found = named_in(&Module { path: Vec::new(), file: "a.rs".into(), syntax });
        assert_eq!(found.macros.into_iter().collect::<Vec<_>>(), ["assert", "dbg"]);
        assert_eq!(found.methods.into_iter().collect::<Vec<_>>(), ["expect", "unwrap"]);
    }

    #[test]
    fn tests_are_no_part_of_it() {
        for text in ["#[cfg(test)] mod tests { use crate::x; }", "#[cfg(test)] use crate::x;"] {
            assert!(!named(text).contains("x"), "{text}");
        }
    }
}
