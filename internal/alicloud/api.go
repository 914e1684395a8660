// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"fmt"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
)

// api is an API that the SDK of its service does not have.
type api struct {
	// version is that of the service, such as 2017-06-26.
	version string
	name    string
}

// callAPI calls an API. The fields of request are its parameters in the query, by the
// names in their json tags; Answer has the field body, as the answers of the SDK have.
func callAPI[Answer, Request any](client *openapi.Client, called api, request *Request, runtime *dara.RuntimeOptions) (*Answer, error) {
	var parameters map[string]any
	if err := tea.Convert(request, &parameters); err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	said, err := client.CallApi(&openapiutil.Params{
		Action: &called.name, Version: &called.version,
		Protocol: new("HTTPS"), Pathname: new("/"), Method: new("POST"),
		AuthType: new("AK"), Style: new("RPC"), ReqBodyType: new("formData"), BodyType: new("json"),
	}, &openapiutil.OpenApiRequest{Query: openapiutil.Query(parameters)}, runtime)
	if err != nil {
		return nil, err
	}
	var answer Answer
	if err := tea.Convert(said, &answer); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return &answer, nil
}
