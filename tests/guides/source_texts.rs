//! The texts in the sources of a crate.

use std::fs;
use std::path::{Path, PathBuf};

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprMethodCall, ImplItemFn, ItemConst, ItemFn, ItemMod, LitStr, Macro, Meta, Pat, Token};

use crate::pages::root;

/// A text in a source file, outside of tests.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    pub(crate) file: String,
    pub(crate) text: String,
}

/// Returns the texts in the sources below `folder`, without help texts, log events and panics.
pub(crate) fn source_texts(folder: &str) -> Vec<SourceText> {
    let mut texts = Vec::new();
    for path in source_files(&root().join(folder)) {
        let source = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = Found::default();
        found.visit_file(&source);
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        texts.extend(found.0.into_iter().map(|text| SourceText { file: file.clone(), text }));
    }
    texts
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let files = entries.into_iter().flat_map(|path| match path.file_name().unwrap().to_str().unwrap() {
        "tests" | "testing.rs" | "tests.rs" => Vec::new(),
        _ if path.is_dir() => source_files(&path),
        name if name.ends_with(".rs") => vec![path],
        _ => Vec::new(),
    });
    files.collect()
}

#[derive(Default)]
struct Found(Vec<String>);

impl<'ast> Visit<'ast> for Found {
    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.0.push(text.value());
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if HELP_METHODS.iter().any(|method| call.method == method) {
            self.visit_expr(&call.receiver);
        } else {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        if !HELP_CONSTANTS.iter().any(|part| item.ident.to_string().contains(part)) {
            visit::visit_item_const(self, item);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().unwrap().ident.to_string();
        let is_traced = call.path.segments.first().unwrap().ident == "tracing";
        if !is_traced && ["format", "write", "writeln", "eprintln", "vec", "concat"].contains(&name.as_str()) {
            let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(call.tokens.clone()).unwrap();
            let mut found = Found::default();
            arguments.iter().for_each(|argument| found.visit_expr(argument));
            self.0.append(&mut found.0);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_pat(&mut self, _: &'ast Pat) {}
}

/// The methods whose argument is advice, a cause, or the name of something.
const HELP_METHODS: [&str; 7] =
    ["with_help", "with_advice", "caused_by", "expect", "strip_prefix", "contains", "starts_with"];

/// Parts of the names of constants that are advice or help.
const HELP_CONSTANTS: [&str; 17] = [
    "HELP",
    "EXAMPLES",
    "EXIT_CODES",
    "HYPHENS",
    "NEAR_MISS",
    "QUOTED",
    "INVISIBLE",
    "PLACEHOLDER",
    "RETYPE",
    "SPELLING",
    "MINIMAL_REFERENCE",
    "OWN_SETTING",
    "LIMITS",
    "KEEP_THE_RUNTIME",
    "MAY_HAVE_SUCCEEDED",
    "EXPECTED",
    "WORDS",
];

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        meta => meta.path().segments.last().is_some_and(|last| last.ident == "test"),
    })
}
