//! Loops that must not stay loops: drivers keep an array in registers only where each index is a constant, some stop
//! unrolling at a few hundred instructions, and some take many times longer for loops to unroll than for what they become.

/// Writes out every loop whose head ends in `// unrolled`, or in `// unrolled if CONSTANT` where that is true: its body once
/// for each value of the loop's variable, as a constant of a block of its own. Such heads read
/// `for (var i = 0u; i < BOUND; i++) { // unrolled`, with BOUND a constant declared in the same source, as any CONSTANT is,
/// and the loop ends at the first line that is as far indented as its head.
pub(super) fn unroll(source: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let mut out = String::with_capacity(source.len());
    write(&lines, source, &mut out);
    out
}

fn write(lines: &[&str], source: &str, out: &mut String) {
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        let Some((variable, bound)) = head(line, source) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let indent = indent_of(line);
        let length = rest
            .iter()
            .position(|line| indent_of(line) == indent)
            .unwrap_or_else(|| panic!("a loop without end: {line}"));
        let (body, after) = rest.split_at(length);
        rest = &after[1..];
        for value in 0..constant(source, bound) {
            out.push_str(&format!("{{ const {variable}: u32 = {value}u;\n"));
            write(body, source, out);
            out.push_str("}\n");
        }
    }
}

/// The variable and the bound of a loop to unroll.
fn head<'a>(line: &'a str, source: &str) -> Option<(&'a str, &'a str)> {
    let (line, condition) = line.trim().split_once("{ // unrolled")?;
    if let Some(name) = condition.strip_prefix(" if ")
        && !source.contains(&format!("const {name}: bool = true;"))
    {
        return None;
    }
    let (variable, rest) = line.strip_prefix("for (var ")?.split_once(" = 0u; ")?;
    let (_, rest) = rest.split_once(" < ")?;
    Some((variable, rest.split_once(';')?.0))
}

/// Blank lines are inside whatever is around them.
fn indent_of(line: &str) -> usize {
    match line.trim_start() {
        "" => usize::MAX,
        text => line.len() - text.len(),
    }
}

/// The value of `const name: u32 = 4u;`
fn constant(source: &str, name: &str) -> u32 {
    let declaration = format!("const {name}: u32 = ");
    source
        .lines()
        .find_map(|line| line.strip_prefix(&declaration)?.split_once('u'))
        .and_then(|(value, _)| value.parse().ok())
        .unwrap_or_else(|| panic!("no constant {name} to unroll to"))
}

#[cfg(test)]
mod tests {
    use super::unroll;

    #[test]
    fn nested_loops_become_blocks() {
        let source = "const TM: u32 = 2u;\nconst TN: u32 = 1u;\n\
            fn f() {\n\
            \x20   for (var i = 0u; i < TM; i++) { // unrolled\n\
            \x20       a[i] = 1.0;\n\
            \n\
            \x20       for (var j = 0u; j < TN; j++) { // unrolled\n\
            \x20           b[i * TN + j] = 2.0;\n\
            \x20       }\n\
            \x20   }\n\
            \x20   for (var k = 0u; k < TN; k++) {\n\
            \x20   }\n\
            }\n";
        let expected = "const TM: u32 = 2u;\nconst TN: u32 = 1u;\nfn f() {\n\
            { const i: u32 = 0u;\n        a[i] = 1.0;\n\n{ const j: u32 = 0u;\n            b[i * TN + j] = 2.0;\n}\n}\n\
            { const i: u32 = 1u;\n        a[i] = 1.0;\n\n{ const j: u32 = 0u;\n            b[i * TN + j] = 2.0;\n}\n}\n\
            \x20   for (var k = 0u; k < TN; k++) {\n    }\n}\n";
        assert_eq!(unroll(source), expected);
    }

    #[test]
    fn loops_become_blocks_where_a_constant_says_so() {
        let of = |is_so| {
            format!(
                "const N: u32 = 1u;\nconst IS_SO: bool = {is_so};\n\
                for (var i = 0u; i < N; i++) {{ // unrolled if IS_SO\n    a[i] = 1.0;\n}}\n"
            )
        };
        assert_eq!(unroll(&of(false)), of(false));
        let expected = "const N: u32 = 1u;\nconst IS_SO: bool = true;\n{ const i: u32 = 0u;\n    a[i] = 1.0;\n}\n";
        assert_eq!(unroll(&of(true)), expected);
    }
}
