package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/format/tfevents"
)

// The names inside a run's folder.
const (
	ResultsFile = "results.csv"
	LogFile     = "log.jsonl"
	ReportFile  = "report.html"
	StateFile   = "state.safetensors"
	BestFile    = "best.safetensors"
	LastFile    = "last.safetensors"
	Int8File    = "int8.safetensors"
	RecipeFile  = "recipe.json"
)

// runLog writes the growing files of a run's folder. After a killed run they
// may be ahead of the checkpoint that it resumes from; resuming cuts what came
// after it, so the files of a resumed run are those of an unbroken one.
type runLog struct {
	dir    string
	csv    *os.File
	log    *os.File
	events *tfevents.Writer
	file   *os.File
	now    func() time.Time
}

const csvHead = "epoch,stage,step,loss,top1,val_loss,val_top1,val_top5,rate,images_per_s,seconds,best\n"

// openLog opens a run's files, keeping what belongs to epochs that ended up to
// the step epoch, and the log's steps up to step; nothing where epoch is below 0.
func openLog(dir string, epoch, step int64) (*runLog, error) {
	l := &runLog{dir: dir, now: time.Now}
	csv, err := keep(filepath.Join(dir, ResultsFile), func(line string, first bool) bool {
		if first {
			return line+"\n" == csvHead
		}
		f := strings.Split(line, ",")
		if len(f) != strings.Count(csvHead, ",")+1 {
			return false
		}
		n, err := strconv.ParseInt(f[2], 10, 64)
		return err == nil && n <= epoch
	})
	if err != nil {
		return nil, err
	}
	l.csv = csv
	if at, err := csv.Seek(0, io.SeekEnd); err != nil {
		return nil, l.fail(err)
	} else if at == 0 {
		if _, err := csv.WriteString(csvHead); err != nil {
			return nil, l.fail(err)
		}
	}
	l.log, err = keep(filepath.Join(dir, LogFile), func(line string, _ bool) bool {
		var r struct {
			Event string `json:"event"`
			Step  *int64 `json:"step"`
		}
		last := epoch
		if epoch < 0 || json.Unmarshal([]byte(line), &r) != nil || r.Event == "end" {
			return false
		}
		if r.Event == "step" {
			last = step
		}
		return r.Step == nil || *r.Step <= last
	})
	if err != nil {
		return nil, l.fail(err)
	}
	// TensorBoard reads all event files of a folder and lets later ones win.
	at := l.now()
	name := fmt.Sprintf("events.out.tfevents.%010d.%09d", at.Unix(), at.Nanosecond())
	if l.file, err = os.Create(filepath.Join(dir, name)); err != nil {
		return nil, l.fail(err)
	}
	if l.events, err = tfevents.NewWriter(l.file, l.now()); err != nil {
		return nil, l.fail(err)
	}
	return l, nil
}

func (l *runLog) fail(err error) error {
	l.Close()
	return fmt.Errorf("run folder %s: %w", l.dir, err)
}

// keep opens a file of lines for appending and cuts it before the first line
// that is not wanted or not whole.
func keep(path string, wanted func(line string, first bool) bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	end := 0
	for end < len(text) {
		n := strings.IndexByte(string(text[end:]), '\n')
		if n < 0 || !wanted(string(text[end:end+n]), end == 0) {
			break
		}
		end += n + 1
	}
	if err := f.Truncate(int64(end)); err == nil {
		_, err = f.Seek(int64(end), io.SeekStart)
	} else {
		f.Close()
		return nil, err
	}
	return f, err
}

// Epoch records an epoch in all three files.
func (l *runLog) Epoch(e *Epoch) error {
	g := func(v float64) string { return strconv.FormatFloat(v, 'g', 7, 64) }
	row := strings.Join([]string{g(e.Epoch), e.Stage, strconv.FormatInt(e.Step, 10), g(e.Loss), g(e.Top1), g(e.ValLoss), g(e.ValTop1), g(e.ValTop5),
		g(e.Rate), g(e.ImagesPerSecond), g(e.Seconds), strconv.FormatBool(e.Best)}, ",") + "\n"
	if _, err := l.csv.WriteString(row); err != nil {
		return fmt.Errorf("run folder %s: %w", l.dir, err)
	}
	if err := l.Event("epoch", e); err != nil {
		return err
	}
	return l.events.Scalars(l.now(), e.Step,
		tfevents.Scalar{Tag: "loss/train", Value: float32(e.Loss)}, tfevents.Scalar{Tag: "loss/val", Value: float32(e.ValLoss)},
		tfevents.Scalar{Tag: "top1/train", Value: float32(e.Top1)}, tfevents.Scalar{Tag: "top1/val", Value: float32(e.ValTop1)},
		tfevents.Scalar{Tag: "top5/val", Value: float32(e.ValTop5)}, tfevents.Scalar{Tag: "images_per_s", Value: float32(e.ImagesPerSecond)})
}

// Steps records the loss and the rate of a step.
func (l *runLog) Steps(step int64, loss, rate float64) error {
	return l.events.Scalars(l.now(), step, tfevents.Scalar{Tag: "loss/step", Value: float32(loss)}, tfevents.Scalar{Tag: "rate", Value: float32(rate)})
}

// Event appends a record {"event": name, ...fields of v} to log.jsonl.
func (l *runLog) Event(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("log.jsonl: %w", err)
	}
	head := `{"event":` + strconv.Quote(name) + `,"time":` + strconv.Quote(l.now().UTC().Format(time.RFC3339))
	if string(b) != "{}" {
		head += ","
	}
	if _, err := l.log.WriteString(head + string(b[1:]) + "\n"); err != nil {
		return fmt.Errorf("run folder %s: %w", l.dir, err)
	}
	return nil
}

// Sync flushes the files to the disk, before a checkpoint that they belong to.
func (l *runLog) Sync() error {
	var errs []error
	for _, f := range []*os.File{l.csv, l.log, l.file} {
		errs = append(errs, f.Sync())
	}
	return errors.Join(errs...)
}

// Close closes the files.
func (l *runLog) Close() error {
	var errs []error
	for _, f := range []*os.File{l.csv, l.log, l.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
