package attacks

import "context"

// rewindRecords is how many old records the recreated topic gets.
const rewindRecords = 3

// rewind deletes the topic and creates it again, with old records as if they were new.
func rewind(ctx context.Context, o *operator, newest stored) ([]Position, error) {
	old := []stored{newest}
	for len(old) < rewindRecords {
		r, err := o.next(ctx)
		if err != nil {
			return nil, err
		}
		old = append(old, r)
	}
	if err := o.recreateTopic(ctx); err != nil {
		return nil, err
	}
	if err := o.page.skip(ctx); err != nil { // the former topic had records at the same offsets
		return nil, err
	}
	return o.write(ctx, old...)
}
