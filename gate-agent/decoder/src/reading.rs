//! What is read from a frame, by which step, and what would help where nothing was.

/// What was done to the frame in which a code was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Nothing but the look that every frame gets.
    Plain,
    /// Ink told from paper by the middle of the range around: for low contrast.
    Dim,
    /// Ink told from paper by the mean of a wide neighbourhood: for large modules.
    Wide,
    /// One level for the whole frame.
    OneLevel,
    /// Blurred a little: against noise and the moiré of screens.
    Smooth,
    /// Sharpened: against a lens out of focus.
    Sharp,
    /// At half the size.
    Half,
    /// At half the size, for low contrast.
    HalfDim,
    /// At half the size, sharpened.
    HalfSharp,
    /// At a quarter of the size.
    Quarter,
    /// At twice the size.
    Double,
    /// At twice the size, sharpened.
    DoubleSharp,
    /// Every row of a picture that the other steps see shrunk.
    Large,
    /// The same, for low contrast.
    LargeDim,
    /// The same, sharpened.
    LargeSharp,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 15] = [
        Self::Plain,
        Self::Dim,
        Self::Wide,
        Self::OneLevel,
        Self::Smooth,
        Self::Sharp,
        Self::Half,
        Self::HalfDim,
        Self::HalfSharp,
        Self::Quarter,
        Self::Double,
        Self::DoubleSharp,
        Self::Large,
        Self::LargeDim,
        Self::LargeSharp,
    ];

    /// Its name for programs: lower snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Dim => "dim",
            Self::Wide => "wide",
            Self::OneLevel => "one_level",
            Self::Smooth => "smooth",
            Self::Sharp => "sharp",
            Self::Half => "half",
            Self::HalfDim => "half_dim",
            Self::HalfSharp => "half_sharp",
            Self::Quarter => "quarter",
            Self::Double => "double",
            Self::DoubleSharp => "double_sharp",
            Self::Large => "large",
            Self::LargeDim => "large_dim",
            Self::LargeSharp => "large_sharp",
        }
    }
}

/// A code that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its text. What is no Unicode text in a code is replaced or guessed at.
    pub text: String,
    /// The step that read it.
    pub step: Step,
}

/// What would help the person who holds a pass before the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hint {
    /// More than one code is in sight: show one.
    SeveralCodes,
    /// The code does not fit into the picture: hold it farther away.
    TooNear,
    /// The code's modules are too small: hold it nearer.
    TooFar,
    /// Ink and paper are hardly to be told apart: turn the screen brighter, out of the glare.
    TooDim,
    /// The code is out of focus or moves: hold it still.
    Blurred,
}

impl Hint {
    /// Every hint.
    pub const ALL: [Self; 5] = [
        Self::SeveralCodes,
        Self::TooNear,
        Self::TooFar,
        Self::TooDim,
        Self::Blurred,
    ];
}

/// What a frame cost, in countable pieces of work: what bounds a hostile frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Looks at the frame, each in another view.
    pub looks: u32,
    /// Rows that looked like a finder pattern and were checked.
    pub checks: u32,
    /// Grids fitted to three finder patterns.
    pub fits: u32,
    /// Modules sampled.
    pub modules: u32,
}

/// What was read from a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The codes in the order of being found, each text once.
    pub codes: Vec<Code>,
    /// At most one of each, and none but [`Hint::SeveralCodes`] beside a code that was read.
    pub hints: Vec<Hint>,
    /// What it cost.
    pub work: Work,
}
