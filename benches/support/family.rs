//! The combined resource use of a program's processes.

/// Returns the CPU time of a process and its descendants, in clock ticks of 10 ms.
pub fn ticks_of_family(process: u32) -> u64 {
    let of = |process: u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let field = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        field(11).unwrap_or(0) + field(12).unwrap_or(0)
    };
    process_family(process).into_iter().map(of).sum()
}

/// Returns the proportional set size (PSS) of a process and its descendants, in MB.
pub fn pss_of_family(process: u32) -> f64 {
    let of = |process: u32| {
        let text =
            std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with("Pss:"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kb| kb.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    process_family(process).into_iter().map(of).sum::<f64>() / 1_024.0
}

/// Returns a process and its descendants.
pub fn process_family(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok());
    std::iter::once(process).chain(children).collect()
}
