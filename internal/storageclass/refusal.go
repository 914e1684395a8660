// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"errors"
	"fmt"
	"sync"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// wrap says of which claim a conversion failed, and where it is asked for, if it is.
func (c *Conversion) wrap(claim diskspec.Claim, err error) error {
	return wrapAt(c.At, claim, err)
}

// wrapClass is wrap for what is wrong with the class.
func (c *Conversion) wrapClass(claim diskspec.Claim, err error) error {
	return wrapAt(c.classAt(), claim, err)
}

// classAt returns where the class is written, that of the rule if there is none.
func (c *Conversion) classAt() settings.Position {
	if c.ClassAt != nil {
		return *c.ClassAt
	}
	return c.At
}

func wrapAt(at settings.Position, claim diskspec.Claim, err error) error {
	switch {
	case err == nil:
		return nil
	case at == settings.Position{}:
		return fmt.Errorf("planning %s: %w", volumeOf(claim), err)
	}
	return fmt.Errorf("%s: converting %s: %w", at, volumeOf(claim), err)
}

// volumeOf names the volume of a claim, of which a PersistentVolume may have none.
func volumeOf(claim diskspec.Claim) string {
	if claim.Name == "" {
		return "a volume without a claim"
	}
	return fmt.Sprintf("the volume of the claim %s/%s", claim.Namespace, claim.Name)
}

// refusals are the volumes that were not made because a conversion cannot be carried
// out. A claim does not tell that its volume was to be made of a snapshot: where that
// failed, it looks like one whose volume is provisioned anew, for which the same
// conversion may be right.
type refusals struct {
	mu sync.Mutex
	of map[refusedVolume]error
}

// refusedVolume is a PersistentVolume by its name in the backup, which is empty where it
// was not known, and the claim that it names. Several may name the same claim: those of
// claims that are gone stay behind, with the reclaim policy Retain.
type refusedVolume struct {
	restore                 types.UID
	namespace, name, volume string
}

func newRefusals() *refusals {
	return &refusals{of: make(map[refusedVolume]error)}
}

// note returns err, and keeps it for a volume of the claim, whose name is empty where it
// is not known, unless the cluster could not be read.
func (r *refusals) note(restore *velerov1.Restore, claim diskspec.Claim, name string, err error) error {
	var unread *readError
	if err == nil || errors.As(err, &unread) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[refusedVolume{restore.UID, claim.Namespace, claim.Name, name}] = err
	return err
}

// find returns what the volume of that name was refused for, or with an empty name one of
// the claim whose name was not known.
func (r *refusals) find(restore *velerov1.Restore, claim diskspec.Claim, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[refusedVolume{restore.UID, claim.Namespace, claim.Name, name}]
}
