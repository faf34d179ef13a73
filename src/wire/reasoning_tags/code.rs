//! Tracks code in Markdown character by character.

/// Tracks whether the current position in Markdown is in code, where markers are part of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeTracker {
    is_fenced: bool,
    /// Number of backticks that opened the current inline code.
    inline: usize,
    /// Number of consecutive backticks or tildes at the end of the text so far.
    run: usize,
    /// Whether only spaces precede the backticks or tildes on this line.
    pub at_start: bool,
    run_at_start: bool,
}

impl Default for CodeTracker {
    fn default() -> Self {
        Self {
            is_fenced: false,
            inline: 0,
            run: 0,
            at_start: true,
            run_at_start: false,
        }
    }
}

impl CodeTracker {
    /// Processes the next character of the text.
    pub fn push(&mut self, character: char) {
        if matches!(character, '`' | '~') {
            if self.run == 0 {
                self.run_at_start = self.at_start;
            }
            self.run += 1;
            self.at_start = false;
            return;
        }
        self.close_run(character);
        match character {
            '\n' => (self.at_start, self.inline) = (true, 0),
            character if !character.is_whitespace() => self.at_start = false,
            _ => {}
        }
    }

    fn close_run(&mut self, next: char) {
        let run = std::mem::take(&mut self.run);
        match run {
            0 => {}
            3.. if self.run_at_start => self.is_fenced = !self.is_fenced,
            _ if self.is_fenced => {}
            run if self.inline == 0 && next != '\n' => self.inline = run,
            run if self.inline == run => self.inline = 0,
            _ => {}
        }
    }

    /// Returns whether the next character is in code.
    pub fn is_in_code(&self) -> bool {
        let mut now = *self;
        now.close_run(' ');
        now.is_fenced || now.inline > 0
    }
}
