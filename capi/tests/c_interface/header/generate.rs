//! Makes the header: cbindgen's text, the constants, and what cbindgen has no words for.

use std::fs;
use std::path::PathBuf;

use cbindgen::{Builder, Config};

use super::constants;
use crate::support::manifest_dir;

/// Must-use, in whichever way the compiler has. `(void)` silences the C++ and C23 forms only.
const MUST_USE: &str = "\
// A result that must be looked at.
#if defined(__cplusplus) && __cplusplus >= 201703L
#define ZX_MUST_USE [[nodiscard]]
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#define ZX_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define ZX_MUST_USE __attribute__((__warn_unused_result__))
#else
#define ZX_MUST_USE
#endif
";

/// In the order of the header.
const FUNCTIONS: [&str; 5] = ["socket", "handle", "object", "port", "linux"];

pub(super) fn header() -> String {
    let types = engine_types();
    let constants = constants::defines(&fs::read_to_string(&types).unwrap());

    let mut config = Config::from_file(manifest_dir().join("cbindgen.toml")).unwrap();
    config.after_includes = Some(format!("\n{MUST_USE}\n{constants}"));
    let mut builder = Builder::new().with_config(config).with_src(types);
    for module in FUNCTIONS {
        builder = builder.with_src(manifest_dir().join(format!("src/{module}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().expect("cbindgen").write(&mut text);
    let text = String::from_utf8(text).unwrap();
    without_rustdoc(&with_zircon_tags(&with_anonymous_union(&text)))
}

fn engine_types() -> PathBuf {
    manifest_dir().join("../src/zx/types.rs")
}

/// Rust has no anonymous unions, so the engine names the payload of a packet; C programs
/// say `packet.user.u64[0]`.
fn with_anonymous_union(text: &str) -> String {
    const FIELD: &str = "    union zx_packet_payload_t payload;\n";
    let start = "// The payload of a packet. In C an anonymous union.\n";
    let end = "} zx_packet_payload_t;\n\n";

    let (before, rest) = text.split_once(start).expect("the union is there");
    let (union, after) = rest.split_once(end).expect("the union has an end");
    let (_, members) = union.split_once("{\n").expect("the union has a beginning");
    let members: String = members
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    assert_eq!(after.matches(FIELD).count(), 1, "one struct has the union");
    before.to_owned() + &after.replace(FIELD, &format!("    union {{\n{members}    }};\n"))
}

/// `struct zx_wait_item`, typedef `zx_wait_item_t`: the tag has no `_t`, and is used nowhere.
fn with_zircon_tags(text: &str) -> String {
    let without = |line: &str| {
        if line.starts_with("typedef struct ") || line.starts_with("typedef union ") {
            line.replacen("_t ", " ", 1)
        } else {
            line.replace("struct zx_", "zx_")
                .replace("union zx_", "zx_")
        }
    };
    text.lines().map(|line| without(line) + "\n").collect()
}

/// Links within Rust's documentation, and addresses in its brackets.
fn without_rustdoc(text: &str) -> String {
    text.replace("[`", "`")
        .replace("`]", "`")
        .replace("// <https:", "// https:")
        .lines()
        .map(|line| match line.strip_prefix("// https:") {
            Some(_) => line.trim_end_matches('>').to_owned() + "\n",
            None => line.trim_end().to_owned() + "\n",
        })
        .collect()
}
