// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// servedTimeout bounds the wait until a kube-apiserver serves new resources, a second or two, unless the machine is overloaded.
const servedTimeout = 2 * time.Minute

// Definitions applies CustomResourceDefinitions and waits until their resources are served.
func Definitions(ctx context.Context, api client.Client, definitions ...client.Object) error {
	if err := Objects(ctx, api, definitions...); err != nil {
		return err
	}
	return poll.Until(ctx, servedTimeout, "CustomResourceDefinitions to be established", func(ctx context.Context) error {
		for _, definition := range definitions {
			if err := established(ctx, api, definition.GetName()); err != nil {
				return err
			}
		}
		return nil
	})
}

// established returns an error until the kube-apiserver serves a definition's resources.
func established(ctx context.Context, reader client.Reader, name string) error {
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, definition); err != nil {
		return err
	}
	for _, condition := range definition.Status.Conditions {
		if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("%s is not established", name)
}
