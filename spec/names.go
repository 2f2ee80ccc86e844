package spec

import "strconv"

// resolve gives a path to every placed layer that has none yet. A path, once
// given, stays: parameters have been stored under it.
func (s *space) resolve() {
	s = s.find()
	s.label(s.top, "", s.used, true)
}

// label names the layers of one placement of a parent: containers' names, then
// the layer's own, else its kind and its number inside the parent. At a later
// placement of the parent (first is false) only layers without weights can be
// new, and these take the numbers their likes took before.
func (s *space) label(ps []*placement, prefix string, used map[string]*state, first bool) {
	count := map[string]int{}
	var visit func(ps []*placement)
	visit = func(ps []*placement) {
		for _, p := range ps {
			st := p.st
			switch {
			case st.loss:
				continue
			case st.transparent:
				visit(p.children)
				continue
			case st.label != "":
				if st.name == "" {
					count[st.lower()]++
				}
			case st.name != "":
				st.label = st.name
				st.path = prefix + st.name
				if old, ok := used[st.name]; ok && old != st && first {
					s.duplicate(st, old)
				} else {
					used[st.name] = st
				}
			default:
				kind := st.lower()
				n := count[kind] + 1
				for first && used[kind+strconv.Itoa(n)] != nil {
					n++
				}
				count[kind] = n
				st.label = kind + strconv.Itoa(n)
				st.path = prefix + st.label
				if used[st.label] == nil {
					used[st.label] = st
				}
			}
			if len(p.children) > 0 {
				if st.used == nil {
					st.used = map[string]*state{}
				}
				s.label(p.children, st.path+"/", st.used, p == st.built || st.built == nil)
			}
		}
	}
	visit(ps)
}

func (s *space) duplicate(st, old *state) {
	s.mistakes = append(s.mistakes, &mistake{st: st, at: st.made,
		rule: func() string { return "name already used at " + old.made.pos().String() },
		hint: "give one of them another name, or put the layers of each into a container with its own name"})
}
