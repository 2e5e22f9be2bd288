//! The `constants!` of the engine as `#define`s.
//!
//! cbindgen does not look into the macro, and would write expressions that overflow an `int`. So they
//! are evaluated here, and each gets the suffix of its type; `#if` can use them.

use std::collections::HashMap;
use std::fmt::Write;

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, BinOp, Expr, Ident, Item, Lit, Meta, Token, UnOp};

/// One `constants!` block.
struct Block {
    r#type: Ident,
    constants: Vec<Constant>,
}

struct Constant {
    docs: Vec<String>,
    name: Ident,
    value: Expr,
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let r#type = input.parse()?;
        input.parse::<Token![:]>()?;
        let mut constants = Vec::new();
        while !input.is_empty() {
            constants.push(input.parse()?);
        }
        Ok(Self { r#type, constants })
    }
}

impl Parse for Constant {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let docs = input.call(Attribute::parse_outer)?;
        let docs = docs.iter().filter_map(doc_line).collect();
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        let value = input.parse()?;
        input.parse::<Token![;]>()?;
        Ok(Self { docs, name, value })
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else {
        return None;
    };
    match &meta.value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The `#define`s for all `constants!` blocks of a file.
pub(super) fn defines(source: &str) -> String {
    let file = syn::parse_file(source).expect("the types are Rust");
    let mut values = HashMap::new();
    let mut text = String::new();
    for item in file.items {
        if let Item::Macro(item) = item
            && item.mac.path.is_ident("constants")
        {
            let block: Block = item.mac.parse_body().expect("a block of constants");
            define_block(&block, &mut values, &mut text);
        }
    }
    assert!(!values.is_empty(), "there are constants");
    text
}

fn define_block(block: &Block, values: &mut HashMap<String, i128>, text: &mut String) {
    for constant in &block.constants {
        let name = constant.name.to_string();
        let value = evaluate(&constant.value, values);
        for line in &constant.docs {
            writeln!(text, "//{line}").unwrap();
        }
        let literal = literal(&block.r#type.to_string(), value);
        writeln!(text, "#define {name} {literal}").unwrap();
        values.insert(name, value);
    }
    text.push('\n');
}

/// The value as C writes it.
fn literal(r#type: &str, value: i128) -> String {
    match r#type {
        "zx_status_t" if value < 0 => format!("({value})"),
        "zx_status_t" => value.to_string(),
        "zx_time_t" if value == i64::MAX.into() => "INT64_MAX".into(),
        "zx_time_t" if value == i64::MIN.into() => "INT64_MIN".into(),
        // Negated numbers have all higher bits set; the type has 32.
        "zx_rights_t" | "zx_signals_t" => format!("{:#x}u", value & 0xFFFF_FFFF),
        "zx_handle_t" | "zx_obj_type_t" | "u32" | "usize" => format!("{value}u"),
        "zx_koid_t" => format!("{value}ull"),
        other => panic!("no suffix known for {other}"),
    }
}

fn evaluate(expression: &Expr, values: &HashMap<String, i128>) -> i128 {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().expect("a number"),
            _ => panic!("a constant that is no number"),
        },
        Expr::Paren(inner) => evaluate(&inner.expr, values),
        Expr::Unary(unary) => match unary.op {
            UnOp::Neg(_) => -evaluate(&unary.expr, values),
            UnOp::Not(_) => !evaluate(&unary.expr, values),
            _ => panic!("an operator not known here"),
        },
        Expr::Binary(binary) => {
            let (left, right) = (&binary.left, &binary.right);
            let (left, right) = (evaluate(left, values), evaluate(right, values));
            match binary.op {
                BinOp::BitOr(_) => left | right,
                BinOp::BitAnd(_) => left & right,
                BinOp::Shl(_) => left << right,
                _ => panic!("an operator not known here"),
            }
        }
        Expr::Path(path) => named(&path.path, values),
        _ => panic!("an expression not known here"),
    }
}

fn named(path: &syn::Path, values: &HashMap<String, i128>) -> i128 {
    let segments: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
    match segments.join("::").as_str() {
        "i64::MAX" => i64::MAX.into(),
        "i64::MIN" => i64::MIN.into(),
        name => *values
            .get(name)
            .unwrap_or_else(|| panic!("no constant {name}")),
    }
}

#[test]
fn expressions_are_evaluated_as_rust_does() {
    let text = defines(
        "constants! { zx_rights_t:
            /// One.
            A = 1 << 31;
            /// Two.
            B = (A | 0xF) & !2;
         }
         constants! { zx_status_t: E = -7; }",
    );
    assert_eq!(
        text,
        "// One.\n#define A 0x80000000u\n// Two.\n#define B 0x8000000du\n\n#define E (-7)\n\n"
    );
}
