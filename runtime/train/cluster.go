package train

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"unsafe"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// Cluster is the ranks of one training, as seen by one of them. Each rank calls [New] with
// the same model, rows and options, except for its Cluster. It runs a share of each
// update's shards and makes the same update as the others. Rank 0 evaluates, reports and
// writes to Options.Dir. All ranks call the methods in the same order.
//
// Data are sent as they lie in memory, so the machines must have the same byte order.
type Cluster interface {
	Rank() int // from 0
	Size() int // ranks, a power of two that divides Options.Shards

	// Exchange sends to the rank peer, which calls it at the same time, and fills
	// receive, which is as long as send, with what peer sends. When it returns, the
	// caller may change send.
	//
	// Errors: that of the context; a rank has failed or ended.
	Exchange(ctx context.Context, peer int, send, receive []byte) error

	// Broadcast returns, at every rank, the data of the rank from; the data of the others
	// is ignored. The caller does not change the result.
	//
	// Errors: as for Exchange.
	Broadcast(ctx context.Context, from int, data []byte) ([]byte, error)
}

// ranks returns how many ranks there are.
func (o *Options) ranks() int {
	if o.Cluster == nil {
		return 1
	}
	return o.Cluster.Size()
}

// leads reports whether this is the rank that evaluates, reports and writes.
func (o *Options) leads() bool { return o.Cluster == nil || o.Cluster.Rank() == 0 }

// share returns the shards that are this rank's.
func (t *Trainer) share() (first, n int) {
	n = t.opt.Shards / t.opt.ranks()
	if t.opt.Cluster != nil {
		first = t.opt.Cluster.Rank() * n
	}
	return first, n
}

// exchange joins what the ranks have summed. At each level of the tree a rank and its
// neighbour give each other what they have and add it, so all come to the same bits.
func (t *Trainer) exchange(ctx context.Context) error {
	if t.opt.ranks() == 1 {
		return nil
	}
	c := t.opt.Cluster
	gradients, room := t.engine.Gradients()
	losses := t.sums.kept[len(t.sums.kept)-1]
	for bit := 1; bit < c.Size(); bit <<= 1 {
		peer := c.Rank() ^ bit
		if err := c.Exchange(ctx, peer, memory(t.sums.now), memory(losses)); err != nil {
			return t.lost(err)
		}
		t.sums.add(losses)
		if err := c.Exchange(ctx, peer, memory(gradients), memory(room)); err != nil {
			return t.lost(err)
		}
		t.engine.JoinRank()
	}
	return t.gather(ctx)
}

// gather puts together what each rank holds of some rows, as those pushed into a queue:
// every element is made by one rank, and all its bits are 0 at the others.
func (t *Trainer) gather(ctx context.Context) error {
	c := t.opt.Cluster
	for _, held := range t.engine.Held() {
		if len(t.room) < len(held) {
			t.room = make([]float32, len(held))
		}
		room := t.room[:len(held)]
		for bit := 1; bit < c.Size(); bit <<= 1 {
			if err := c.Exchange(ctx, c.Rank()^bit, memory(held), memory(room)); err != nil {
				return t.lost(err)
			}
			for i, x := range room {
				held[i] = math.Float32frombits(math.Float32bits(held[i]) | math.Float32bits(x))
			}
		}
	}
	return nil
}

// memory shows numbers as bytes.
func memory[T float32 | float64](x []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(one)))
}

// lost says where a rank lost the others.
func (t *Trainer) lost(err error) error {
	return fmt.Errorf("train: epoch %d, step %d: rank %d of %d: %w", t.cursor.Epoch+1, t.cursor.Step+1, t.opt.Cluster.Rank(), t.opt.Cluster.Size(), err)
}

// beginning is what the trainer's record of a checkpoint is among ranks.
type beginning struct {
	state
	History []Epoch `json:"history"`
}

// meet makes every rank begin where rank 0 does, which sends its checkpoint.
//
// Errors: a rank with another model, other options, rows or kernels.
func (t *Trainer) meet(ctx context.Context) error {
	if t.opt.ranks() == 1 {
		return nil
	}
	facts, err := t.opt.decides(t.model, t.state.InitFrom)
	if err != nil {
		return err
	}
	var data []byte
	if t.opt.leads() {
		if err := t.keepSchedule(); err != nil {
			return err
		}
		f, err := t.file(beginning{t.state, t.state.History})
		if err != nil {
			return err
		}
		f.Facts = append(facts, t.ownRows())
		var b bytes.Buffer
		if err := checkpoint.Encode(&b, f); err != nil {
			return err
		}
		data = b.Bytes()
	}
	if data, err = t.opt.Cluster.Broadcast(ctx, 0, data); err != nil {
		return t.lost(err)
	}
	if t.opt.leads() {
		return nil
	}
	const from = "what rank 0 sends"
	f, err := checkpoint.Decode(data)
	if err != nil {
		return t.lost(err)
	}
	var s beginning
	if err := json.Unmarshal(f.Trainer, &s); err != nil {
		return t.lost(fmt.Errorf("%s: %w", from, err))
	}
	if len(s.InitFrom) > 0 {
		if facts, err = t.opt.decides(t.model, s.InitFrom); err != nil {
			return err
		}
	}
	if err := f.Facts.Differ(append(facts, t.ownRows())); err != nil {
		return t.lost(fmt.Errorf("it is of another training than rank 0: there %w here", err))
	}
	if k := t.kernels(); f.Kernels != k {
		return t.lost(fmt.Errorf("it has the kernel set %s and rank 0 has %s, which may differ in last bits: set LAMINA_KERNEL to one that both have", k, f.Kernels))
	}
	s.state.History = s.History
	if err := t.adopt(from, f, s.state, nil); err != nil {
		return err
	}
	t.resumed, t.saved = f.Cursor != (checkpoint.Cursor{}), false
	return nil
}

// follow prepares a rank that is not the first.
func (t *Trainer) follow(ctx context.Context) error {
	err := t.startStates()
	if err == nil {
		err = t.meet(ctx)
	}
	if err == nil {
		t.tell()
	}
	return err
}

// ownRows tells how many rows this rank sees.
func (t *Trainer) ownRows() checkpoint.Fact {
	return checkpoint.Fact{Name: factRows, Verb: checkpoint.Are, Value: fmt.Sprint(t.rows.Len())}
}

// agree makes an epoch what it is for rank 0, which has evaluated it.
func (t *Trainer) agree(ctx context.Context, e Epoch) (Epoch, error) {
	if t.opt.ranks() == 1 {
		return e, nil
	}
	var data []byte
	var err error
	if t.opt.leads() {
		if data, err = lines([]Epoch{e}); err != nil {
			return e, err
		}
	}
	if data, err = t.opt.Cluster.Broadcast(ctx, 0, data); err != nil {
		return e, t.lost(err)
	}
	all, err := parseLines(data)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("rank 0 sends %d epochs in place of one", len(all))
	}
	if err != nil {
		return e, t.lost(err)
	}
	return all[0], nil
}
