//! A table of figures, each with the baseline of the same run, its budget, and its goal.

/// The limit at which the run fails, and the goal.
pub struct Budget {
    pub name: &'static str,
    pub unit: &'static str,
    /// Whether the limit applies to the ratio to the baseline rather than to the figure itself, because times differ
    /// between machines.
    pub is_ratio: bool,
    pub most: f64,
    pub goal: Option<f64>,
}

/// Returns a budget for the figure itself.
pub const fn most(name: &'static str, unit: &'static str, max: f64, goal: Option<f64>) -> Budget {
    Budget {
        name,
        unit,
        is_ratio: false,
        most: max,
        goal,
    }
}

/// Returns a budget for the ratio to the baseline.
pub const fn times(name: &'static str, unit: &'static str, max: f64, goal: Option<f64>) -> Budget {
    Budget {
        name,
        unit,
        is_ratio: true,
        most: max,
        goal,
    }
}

/// Prints rows as they are measured and remembers those over budget.
pub struct Report {
    budgets: &'static [Budget],
    over: Vec<String>,
}

impl Report {
    pub fn new(budgets: &'static [Budget]) -> Self {
        println!(
            "{:<38} {:>9} {:>9} {:>8}   {:>9} {:>8}",
            "", "Quire", "floor", "ratio", "budget", "goal"
        );
        Self {
            budgets,
            over: Vec::new(),
        }
    }

    pub fn row(&mut self, name: &str, measured: f64, floor: Option<f64>) {
        let budget = (self.budgets.iter().find(|budget| budget.name == name))
            .unwrap_or_else(|| panic!("no budget for {name}"));
        let ratio = floor.map(|floor| measured / floor);
        let compared = if budget.is_ratio {
            ratio.unwrap_or(f64::INFINITY)
        } else {
            measured
        };
        let is_over = compared > budget.most;
        if is_over {
            self.over.push(name.to_owned());
        }
        let number = |value: f64| {
            let digits = usize::from(value.fract() != 0.0) * 2;
            format!("{value:.digits$}")
        };
        let sign = if budget.is_ratio { " x" } else { "" };
        let show = |value: Option<f64>| value.map_or("-".to_owned(), number);
        println!(
            "{:<38} {:>9} {:>9} {:>8}   {:>9} {:>8}{}",
            format!("{name}, {}", budget.unit),
            number(measured),
            show(floor),
            show(ratio),
            format!("{}{sign}", number(budget.most)),
            budget
                .goal
                .map_or("-".to_owned(), |goal| format!("{}{sign}", number(goal))),
            if is_over { "   OVER BUDGET" } else { "" }
        );
    }

    /// Prints a row that says why the figure is missing.
    pub fn add_unmeasured(&self, name: &str, why: &str) {
        println!("{name:<38} not measured: {why}");
    }

    /// Exits with an error if any figure was over budget.
    pub fn end(self) {
        if !self.over.is_empty() {
            println!("over budget: {}", self.over.join("; "));
            std::process::exit(1);
        }
    }
}
