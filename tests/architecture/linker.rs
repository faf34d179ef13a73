//! Tests the linker of the pages' scripts (`src/build`): it preserves the behavior of scripts, and refuses syntax that
//! it does not know.

#[path = "../../src/build/module.rs"]
mod module;
#[path = "../../src/build/script.rs"]
mod script;
#[path = "../../src/build/source_map.rs"]
mod source_map;
#[allow(dead_code, reason = "which files make a sheet is not tested here")]
#[path = "../../src/build/styles.rs"]
mod styles;

use module::Module;

type BuildResult<T> = Result<T, Box<dyn std::error::Error>>;

fn stripped_lines(source: &str) -> Vec<(String, usize)> {
    let lines = script::lines(source).expect(source);
    lines
        .into_iter()
        .map(|line| (line.text, line.source))
        .collect()
}

#[test]
fn comments_and_redundant_spaces_are_left_out_and_nothing_else() {
    for (source, expected) in [
        (
            "// Why.\nconst a = 1; // so\n\n  b();\n",
            vec![("const a=1;", 1), ("b();", 3)],
        ),
        ("/** About\n * it. */\nf(/* no */ 1);\n", vec![("f(1);", 2)]),
        (
            "a('//', \"/*\", `// ${ { b: `}` }.b } */`);",
            vec![("a('//',\"/*\",`// ${{b:`}`}.b} */`);", 0)],
        ),
        ("a = /[/\"]'\\//g; // end", vec![("a=/[/\"]'\\//g;", 0)]),
        ("a = b / c / 'd // e';", vec![("a=b / c / 'd // e';", 0)]),
        (
            "a - -b + (c ? .5 : d);\ne = f ? `x ${ g } y` : 'h , i';",
            vec![("a - -b +(c?.5:d);", 0), ("e=f?`x ${g} y`:'h , i';", 1)],
        ),
        (
            "return /\"/.test(a) // end",
            vec![("return /\"/.test(a)", 0)],
        ),
        (
            "  a(`one\n    two // three\n`);\n",
            vec![("a(`one", 0), ("    two // three", 1), ("`);", 2)],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(text, line)| (text.to_owned(), line))
            .collect();
        assert_eq!(stripped_lines(source), expected, "{source}");
    }
    for unfinished in ["a('b", "a(`b", "a = /b", "/* a", "f() {"] {
        assert!(script::lines(unfinished).is_err(), "{unfinished}");
    }
}

#[test]
fn imports_read_from_the_objects_of_modules_and_exports_are_listed() {
    let source = "import { a, b as c } from \"../dom.js\";\nimport * as all from \"./x-y.js\";\nimport Reader from \"../../vendor/reader.js\";\nimport \"./start.js\";\nexport { d } from \"./d.js\";\nexport async function f() {\n  return import(\"./later.js\");\n}\nexport const g = 1;\nexport class H extends Error {}\nconst i = 2;\nexport { i };\n";
    let module = Module::read("js/parts/m.js", source).expect("all forms are known");
    let texts: Vec<&str> = module.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "const{a,b:c}=$dom;",
            "const all=$parts_x_y;",
            "const{default:Reader}=$vendor_reader;",
            "const{d}=$parts_d;",
            "async function f() {",
            "return import(\"./later.js\");",
            "}",
            "const g = 1;",
            "class H extends Error {}",
            "const i=2;",
        ]
    );
    assert_eq!(
        module.imports,
        [
            "js/dom.js",
            "js/parts/x-y.js",
            "vendor/reader.js",
            "js/parts/start.js",
            "js/parts/d.js"
        ]
    );
    assert_eq!(module.dynamic_imports, ["js/parts/later.js"]);
    let names: Vec<&str> = module
        .exports
        .iter()
        .map(|(public, _)| public.as_str())
        .collect();
    assert_eq!(names, ["d", "f", "g", "H", "i"]);
    let library = Module::read(
        "vendor/l.js",
        "/* l 1 */\nvar a=1,b=2;export{a as default,b as c};\n",
    )
    .expect("a library");
    assert_eq!(
        library.exports,
        [("default".into(), "a".into()), ("c".into(), "b".into())]
    );
}

#[test]
fn forms_that_are_not_known_stop_the_build() {
    for source in [
        "export default 1;",
        "export let a = 1;",
        "export const { a } = b;",
        "export * from \"./a.js\";",
        "import a, { b } from \"./a.js\";",
        "import { a } from \"elsewhere\";",
        "a();\nimport { b } from \"./b.js\";",
        "import(address);",
        "await start();",
    ] {
        assert!(Module::read("js/m.js", source).is_err(), "{source}");
    }
}

#[test]
fn source_maps_name_file_and_line() {
    let at = |path: &str, line: usize| Some((path.to_owned(), line));
    let map = source_map::write(&[
        None,
        at("js/a.js", 0),
        at("js/a.js", 2),
        at("js/b.js", 1),
        at("js/b.js", 40),
    ]);
    let map: serde_json::Value = serde_json::from_str(&map).unwrap();
    assert_eq!(
        map["sources"],
        serde_json::json!(["../js/a.js", "../js/b.js"])
    );
    assert_eq!(map["mappings"], ";AAAA;AAEA;ACDA;AAuCA;");
}

#[test]
fn minified_styles_keep_significant_spaces() {
    let source = "/* Why. */\n@layer a {\n  .b .c > d, e :hover { margin: calc(1px + 2px) -3px; content: \"a  ;  b\"; }\n}\n";
    let expected = "@layer a{.b .c > d,e :hover{margin:calc(1px + 2px) -3px;content:\"a  ;  b\"}}";
    assert_eq!(styles::minify(source).unwrap(), expected);
    assert!(styles::minify("/* a").is_err() && styles::minify("a { content: 'b").is_err());
}
