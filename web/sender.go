package web

import "strconv"

// sender says in words who wrote a record. A verified name is what this pod was told, never what the record says.
func (w words) sender(who Sender) string {
	return w.say("sender."+who.id(), "name", visible(who.Name), "id", who.KeyID)
}

// shortSender is the same for the list.
func (w words) shortSender(who Sender) string {
	return w.say("from."+who.id(), "name", visible(who.Name))
}

func (who Sender) id() string {
	if who.Reason != "" {
		return string(who.state()) + "." + string(who.Reason)
	}
	return string(who.state())
}

func (who Sender) state() SenderState {
	if who.State == "" {
		return SenderUnchecked
	}
	return who.State
}

// flagged is a flag by its name in the API, in a word and in words.
type flagged struct{ Name, Short, Words string }

func (w words) flags(r *Record) []flagged {
	var list []flagged
	add := func(set bool, name, id string, pairs ...string) {
		if set {
			list = append(list, flagged{name, w.say("short." + name), w.say(id, pairs...)})
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
