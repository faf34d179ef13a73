//! Units and currencies known by name. Contains only exact conversions; see `units`.

/// Base unit, numerator and denominator of the factor, and names. Names of one or two letters are case-sensitive
/// symbols.
pub(super) type UnitRow = (&'static str, i64, i64, &'static [&'static str]);

/// Units and their size in base units.
pub(super) const UNITS: &[UnitRow] = &[
    (
        "s",
        1,
        1,
        &[
            "s", "sec", "secs", "second", "seconds", "sekunde", "sekunden",
        ],
    ),
    (
        "s",
        1,
        1000,
        &["ms", "millisecond", "milliseconds", "millisekunden"],
    ),
    ("s", 60, 1, &["min", "mins", "minute", "minutes", "minuten"]),
    (
        "s",
        3600,
        1,
        &[
            "h", "hr", "hrs", "hour", "hours", "std", "stunde", "stunden",
        ],
    ),
    (
        "s",
        86_400,
        1,
        &["d", "day", "days", "tag", "tage", "tagen"],
    ),
    ("s", 604_800, 1, &["week", "weeks", "woche", "wochen"]),
    (
        "month",
        1,
        1,
        &["month", "months", "monat", "monate", "monaten"],
    ),
    (
        "month",
        12,
        1,
        &["year", "years", "yr", "yrs", "jahr", "jahre", "jahren"],
    ),
    (
        "m",
        1,
        1_000_000,
        &["μm", "µm", "micrometer", "micrometers"],
    ),
    (
        "m",
        1,
        1000,
        &[
            "mm",
            "millimeter",
            "millimeters",
            "millimetre",
            "millimetres",
        ],
    ),
    (
        "m",
        1,
        100,
        &[
            "cm",
            "CM",
            "centimeter",
            "centimeters",
            "centimetre",
            "centimetres",
            "zentimeter",
        ],
    ),
    (
        "m",
        1,
        1,
        &["m", "meter", "meters", "metre", "metres", "metern"],
    ),
    (
        "m",
        1000,
        1,
        &[
            "km",
            "KM",
            "kilometer",
            "kilometers",
            "kilometre",
            "kilometres",
            "kilometern",
        ],
    ),
    // Feet or minutes, and inches or seconds: ambiguous, so they equal only themselves.
    ("′", 1, 1, &["′", "'"]),
    ("″", 1, 1, &["″", "\"", "”"]),
    ("m", 254, 10_000, &["in", "inch", "inches", "zoll"]),
    ("m", 3048, 10_000, &["ft", "foot", "feet"]),
    ("m", 9144, 10_000, &["yd", "yard", "yards"]),
    ("m", 1_609_344, 1000, &["mi", "mile", "miles"]),
    (
        "g",
        1,
        1000,
        &["mg", "milligram", "milligrams", "milligramm"],
    ),
    ("g", 1, 1, &["g", "gram", "grams", "gramm"]),
    (
        "g",
        1000,
        1,
        &[
            "kg",
            "KG",
            "kilo",
            "kilos",
            "kilogram",
            "kilograms",
            "kilogramm",
        ],
    ),
    ("g", 45_359_237, 100_000, &["lb", "lbs"]),
    (
        "l",
        1,
        1000,
        &[
            "ml",
            "mL",
            "milliliter",
            "milliliters",
            "millilitre",
            "millilitres",
        ],
    ),
    (
        "l",
        1,
        1,
        &["l", "L", "liter", "liters", "litre", "litres", "litern"],
    ),
    (
        "m²",
        1,
        10_000,
        &[
            "cm²",
            "cm^2",
            "cm2",
            "square centimeters",
            "square centimetres",
        ],
    ),
    (
        "m²",
        1,
        1,
        &[
            "m²",
            "m^2",
            "m2",
            "sqm",
            "qm",
            "square meter",
            "square meters",
            "square metre",
            "square metres",
            "quadratmeter",
        ],
    ),
    ("m²", 10_000, 1, &["ha", "hectare", "hectares", "hektar"]),
    (
        "m²",
        1_000_000,
        1,
        &[
            "km²",
            "km^2",
            "km2",
            "square kilometers",
            "square kilometres",
        ],
    ),
    (
        "m³",
        1,
        1,
        &[
            "m³",
            "m^3",
            "m3",
            "cubic meters",
            "cubic metres",
            "kubikmeter",
        ],
    ),
    ("°c", 1, 1, &["°C", "°c", "celsius"]),
    ("°f", 1, 1, &["°F", "°f", "fahrenheit"]),
    ("K", 1, 1, &["K", "kelvin"]),
    ("°", 1, 1, &["°", "deg", "degree", "degrees", "grad"]),
    ("V", 1, 1, &["V", "volt", "volts"]),
    ("W", 1, 1, &["W", "watt", "watts"]),
    ("W", 1000, 1, &["kW", "kilowatt", "kilowatts"]),
    ("J", 1, 1, &["J", "joule", "joules"]),
    ("J", 1000, 1, &["kJ", "kilojoule", "kilojoules"]),
    ("N", 1, 1, &["N", "newton", "newtons"]),
    ("Hz", 1, 1, &["Hz", "hertz"]),
];

/// Codes and names of currencies. "$" is read as US dollars.
pub(super) const CURRENCIES: &[(&str, &[&str])] = &[
    (
        "usd",
        &[
            "$",
            "us$",
            "usd",
            "dollar",
            "dollars",
            "us dollars",
            "us-dollar",
        ],
    ),
    ("eur", &["€", "eur", "euro", "euros"]),
    ("gbp", &["£", "gbp", "pounds sterling"]),
    ("chf", &["chf", "sfr", "swiss francs", "franken"]),
    ("jpy", &["jpy", "yen"]),
    ("cny", &["cny", "rmb", "yuan"]),
    ("¥", &["¥"]),
    ("inr", &["₹", "inr", "rupees"]),
    ("aud", &["a$", "au$", "aud"]),
    ("cad", &["c$", "ca$", "cad"]),
    ("brl", &["r$", "brl"]),
];

/// Speeds that have their own name: the name, the unit above the line, and the unit below it.
pub(super) const SPEEDS: &[(&str, &str, &str)] =
    &[("mph", "mi", "h"), ("kph", "km", "h"), ("kmh", "km", "h")];
