package web

import (
	"bufio"
	"errors"
	"log/slog"
	"math"
	"net/http"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/problem"
)

// exportFormat is a kind of file with records.
type exportFormat struct {
	contentType string
	header      string
	write       func(out *bufio.Writer, r feed.Entry) error
}

func (s *Server) exportFormat(name string) (f exportFormat, known bool) {
	switch name {
	case "jsonl":
		return exportFormat{"application/jsonl; charset=utf-8", "", s.writeLine}, true
	case "csv":
		return exportFormat{"text/csv; charset=utf-8; header=present", csvHeader, s.writeCSV}, true
	default:
		return f, false
	}
}

// export answers GET /api/export?format=FORMAT with a file of the records that the page's filter selects, newest first. It
// logs who takes it before anything is sent.
func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	if !s.exports {
		s.fail(w, r, http.StatusNotFound, "export_off")
		return
	}
	query, filter, err := parseAPIQuery(r.URL.RawQuery, "format")
	format, known := s.exportFormat(query.Get("format"))
	if err == nil && !known {
		err = errors.New("format: want jsonl or csv")
	}
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "bad_query", err.Error())
		return
	}
	selected, ok := s.selectRecords(w, r, recordsQuery{filter: filter, limit: math.MaxInt})
	if !ok {
		return
	}
	defer selected.memory.Release()
	s.logExport(r, query.Get("format"), filter, len(selected.refs))
	w.Header().Set("Content-Type", format.contentType)
	w.Header().Set("Content-Disposition", `attachment; filename="records.`+query.Get("format")+`"`)
	_ = s.writeExport(w, format, selected.refs) //nolint:errcheck // as in writeJSON
}

// logExport logs who takes records, and which: not their content, nor the text that was searched for.
func (s *Server) logExport(r *http.Request, format string, f feed.Filter, records int) {
	name, certificate := access.Viewer(r)
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "records are exported",
		slog.String("user", name), slog.String("client_certificate", certificate), slog.String("address", r.RemoteAddr),
		slog.String("format", format), slog.Int("records", records),
		slog.String("state", string(f.State)), slog.String("sender", string(f.Sender)), slog.String("problem", string(f.Problem)), slog.Bool("searched_text", f.Text != ""))
}

// writeExport writes the records one by one, without those that are no longer held.
func (s *Server) writeExport(w http.ResponseWriter, format exportFormat, refs []feed.Ref) error {
	out := bufio.NewWriterSize(limit.NewWriter(w), limit.PieceSize/4)
	if _, err := out.WriteString(format.header); err != nil {
		return err
	}
	for _, ref := range refs {
		if r, held := s.feed.Get(ref); held {
			if err := format.write(out, r); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func (s *Server) writeLine(out *bufio.Writer, r feed.Entry) error {
	if err := s.writeRecord(out, r); err != nil {
		return err
	}
	return out.WriteByte('\n')
}
