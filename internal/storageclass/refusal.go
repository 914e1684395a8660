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
		return fmt.Errorf("planning the volume of the claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return fmt.Errorf("%s: converting the volume of the claim %s/%s: %w", at, claim.Namespace, claim.Name, err)
}

// refusals are the claims whose volumes were not made because a conversion cannot
// be carried out. A claim does not tell that a volume was to be made of a snapshot:
// where that failed, it looks like one whose volume is provisioned anew, for which
// the same conversion may be right.
type refusals struct {
	mu sync.Mutex
	of map[refusedClaim]error
}

type refusedClaim struct {
	restore         types.UID
	namespace, name string
}

func newRefusals() *refusals {
	return &refusals{of: make(map[refusedClaim]error)}
}

// note returns err, and keeps it for the claim unless the cluster could not be read.
func (r *refusals) note(restore *velerov1.Restore, claim diskspec.Claim, err error) error {
	var unread *readError
	if err == nil || errors.As(err, &unread) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[refusedClaim{restore.UID, claim.Namespace, claim.Name}] = err
	return err
}

// find returns what the volume of the claim was refused for.
func (r *refusals) find(restore *velerov1.Restore, claim diskspec.Claim) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[refusedClaim{restore.UID, claim.Namespace, claim.Name}]
}
