package web

import "strconv"

// sender says in words who wrote a record. A verified name is what this pod was told, never what the record says.
func (s *Server) sender(who Sender) string {
	id := "sender." + string(who.state())
	if who.Reason != "" {
		id += "." + string(who.Reason)
	}
	return s.words.say(id, "name", visible(who.Name), "id", who.KeyID)
}

func (who Sender) state() SenderState {
	if who.State == "" {
		return SenderUnchecked
	}
	return who.State
}

// flagged is a flag by its name in the API, and in words.
type flagged struct{ Name, Words string }

func (s *Server) flags(r *Record) []flagged {
	var list []flagged
	add := func(set bool, name, id string, pairs ...string) {
		if set {
			list = append(list, flagged{name, s.words.say(id, pairs...)})
		}
	}
	f := r.Flags
	add(f.Repeat && f.First >= 0, "repeat", "flag.repeat", "o", strconv.FormatInt(f.First, 10))
	add(f.Repeat && f.First < 0, "repeat", "flag.repeat.forgotten")
	add(f.Missing > 0, "gap", "flag.gap", "n", strconv.FormatUint(f.Missing, 10))
	add(f.Late, "late", "flag.late")
	add(f.Moved, "moved", "flag.moved", "p", strconv.Itoa(int(f.SealedFor)), "q", strconv.Itoa(int(r.Partition)))
	add(f.Unbound, "unbound", "flag.unbound")
	return list
}

// detail is a line of what is known of a record beside its message.
type detail struct{ Name, Value string }

func (s *Server) details(r *Record) []detail {
	var list []detail
	add := func(id, value string) {
		if value != "" {
			list = append(list, detail{s.words.say("detail." + id), value})
		}
	}
	add("format", r.Format)
	add("key", r.KeyID)
	add("signer", r.Sender.KeyID)
	add("data_key", r.DataKey)
	if r.DataKey != "" {
		add("counter", strconv.FormatUint(r.Counter, 10))
	}
	return list
}
