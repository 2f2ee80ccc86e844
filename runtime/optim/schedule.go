package optim

import (
	"encoding/json"
	"fmt"
	"math"
)

// Schedule changes the learning rate during training.
type Schedule interface {
	// Factor multiplies the rate of the update that p describes.
	Factor(p Progress) float64
}

// Progress says how far a training has come.
type Progress struct {
	Update          int64 // updates made so far in the whole training; 0 at the first
	UpdatesPerEpoch int
	Epoch           int // from 0
	Epochs          int // of the whole training
}

// StatefulSchedule is a schedule that depends on the course of a training. The trainer works on its own copy, made by
// Start, so that one optimizer may serve several trainings.
type StatefulSchedule interface {
	Schedule
	// Start returns a copy in its initial state.
	Start() StatefulSchedule
	// Observe receives the validation loss at the end of each epoch, or the training loss if there is none.
	Observe(loss float64)
	// MarshalState returns the state for a checkpoint.
	MarshalState() ([]byte, error)
	// UnmarshalState sets the state to one that MarshalState returned.
	UnmarshalState(state []byte) error
}

// ConstantSchedule leaves the rate as it is.
type ConstantSchedule struct{}

// Constant returns the schedule that leaves the rate as it is.
func Constant() ConstantSchedule { return ConstantSchedule{} }

// Factor implements [Schedule].
func (ConstantSchedule) Factor(Progress) float64 { return 1 }

// Describe returns plain data that encodes to JSON.
func (ConstantSchedule) Describe() any { return map[string]any{"name": "constant"} }

// StepSchedule multiplies the rate by a factor at regular intervals of epochs.
type StepSchedule struct {
	every  int
	factor float64
}

// StepDecay multiplies the rate by factor each time the given number of epochs has passed.
// Errors: every is not positive; factor is not positive and finite.
func StepDecay(every int, factor float64) StepSchedule { return StepSchedule{every, factor} }

// Factor implements [Schedule].
func (s StepSchedule) Factor(p Progress) float64 {
	return math.Pow(s.factor, float64(p.Epoch/max(s.every, 1)))
}

// Err returns the mistake of the declaration.
func (s StepSchedule) Err() error {
	if s.every <= 0 {
		return fmt.Errorf("StepDecay: every must be a positive number of epochs, got %d", s.every)
	}
	return checkFactor("StepDecay", s.factor)
}

// Describe returns plain data that encodes to JSON.
func (s StepSchedule) Describe() any {
	return map[string]any{"name": "step", "every": s.every, "factor": s.factor}
}

func checkFactor(name string, f float64) error {
	if !(f > 0) || math.IsInf(f, 0) {
		return fmt.Errorf("%s: the factor must be positive and finite, got %v", name, f)
	}
	return nil
}

// CosineSchedule rises linearly over the warm-up and then falls to zero along half a cosine.
type CosineSchedule struct{ warmup int }

// Cosine returns the schedule that rises linearly over warmup epochs and falls to zero along half a cosine over
// the rest of the training (Loshchilov and Hutter 2017, without restarts). Errors: warmup is negative.
func Cosine(warmup int) CosineSchedule { return CosineSchedule{warmup} }

// Factor implements [Schedule].
func (s CosineSchedule) Factor(p Progress) float64 {
	if f := rise(s.warmup, p); f < 1 {
		return f
	}
	w := float64(s.warmup) * float64(p.UpdatesPerEpoch)
	rest := float64(p.Epochs)*float64(p.UpdatesPerEpoch) - w
	if rest <= 0 {
		return 1
	}
	at := min(max((float64(p.Update)-w)/rest, 0), 1)
	return 0.5 * (1 + math.Cos(math.Pi*at))
}

// Err returns the mistake of the declaration.
func (s CosineSchedule) Err() error { return checkWarmup("Cosine", s.warmup) }

// Describe returns plain data that encodes to JSON.
func (s CosineSchedule) Describe() any { return map[string]any{"name": "cosine", "warmup": s.warmup} }

// rise is the linear warm-up: update u of n, counted from 0, gets (u+1)/n, and 1 afterwards.
func rise(epochs int, p Progress) float64 {
	n := float64(epochs) * float64(p.UpdatesPerEpoch)
	if u := float64(p.Update); u+1 < n {
		return (u + 1) / n
	}
	return 1
}

func checkWarmup(name string, epochs int) error {
	if epochs < 0 {
		return fmt.Errorf("%s: the warm-up must be zero or more epochs, got %d", name, epochs)
	}
	return nil
}

// WarmupSchedule rises linearly to the full rate and stays there.
type WarmupSchedule struct{ epochs int }

// Warmup returns the schedule that rises linearly to the full rate over the first epochs (Goyal et al. 2017).
// Errors: epochs is negative.
func Warmup(epochs int) WarmupSchedule { return WarmupSchedule{epochs} }

// Factor implements [Schedule].
func (s WarmupSchedule) Factor(p Progress) float64 { return rise(s.epochs, p) }

// Err returns the mistake of the declaration.
func (s WarmupSchedule) Err() error { return checkWarmup("Warmup", s.epochs) }

// Describe returns plain data that encodes to JSON.
func (s WarmupSchedule) Describe() any { return map[string]any{"name": "warmup", "epochs": s.epochs} }

// plateauMargin is the share by which a loss must fall below the best one to count as better.
const plateauMargin = 1e-4

// PlateauSchedule lowers the rate when the loss stops falling.
type PlateauSchedule struct {
	patience int
	factor   float64
	state    plateauState
}

type plateauState struct {
	Factor float64  `json:"factor"`
	Best   *float64 `json:"best"` // nil before the first epoch
	Bad    int      `json:"bad"`  // epochs since the last better one, or since the last change
}

// Plateau multiplies the rate by factor after each run of patience epochs in which the loss never fell below the best
// by at least one part in ten thousand. A loss that is not a number does not count as better.
// Errors: patience is not positive; factor is not in (0, 1).
func Plateau(patience int, factor float64) *PlateauSchedule {
	return &PlateauSchedule{patience: patience, factor: factor, state: plateauState{Factor: 1}}
}

// Factor implements [Schedule].
func (s *PlateauSchedule) Factor(Progress) float64 { return s.state.Factor }

// Err returns the mistake of the declaration.
func (s *PlateauSchedule) Err() error {
	if s.patience <= 0 {
		return fmt.Errorf("Plateau: patience must be a positive number of epochs, got %d", s.patience)
	}
	if !(s.factor > 0 && s.factor < 1) {
		return fmt.Errorf("Plateau: the factor must be between 0 and 1, got %v", s.factor)
	}
	return nil
}

// Start implements [StatefulSchedule].
func (s *PlateauSchedule) Start() StatefulSchedule { return Plateau(s.patience, s.factor) }

// Observe implements [StatefulSchedule].
func (s *PlateauSchedule) Observe(loss float64) {
	st := &s.state
	finite := !math.IsNaN(loss) && !math.IsInf(loss, 0)
	if finite && (st.Best == nil || loss < *st.Best-plateauMargin*math.Abs(*st.Best)) {
		st.Best, st.Bad = &loss, 0
		return
	}
	if st.Bad++; st.Bad >= s.patience {
		st.Factor *= s.factor
		st.Bad = 0
	}
}

// MarshalState implements [StatefulSchedule].
func (s *PlateauSchedule) MarshalState() ([]byte, error) { return json.Marshal(s.state) }

// UnmarshalState implements [StatefulSchedule]. Errors: the state is not one of this schedule.
func (s *PlateauSchedule) UnmarshalState(state []byte) error {
	var st plateauState
	if err := json.Unmarshal(state, &st); err != nil {
		return fmt.Errorf("optim: state of Plateau: %w", err)
	}
	if !(st.Factor >= 0 && st.Factor <= 1) || st.Bad < 0 {
		return fmt.Errorf("optim: state of Plateau: factor %v and %d bad epochs cannot be", st.Factor, st.Bad)
	}
	s.state = st
	return nil
}

// Describe returns plain data that encodes to JSON.
func (s *PlateauSchedule) Describe() any {
	return map[string]any{"name": "plateau", "patience": s.patience, "factor": s.factor}
}
