import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import io.opentelemetry.instrumentation.openai.v1_1.OpenAITelemetry;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;

/** Five calls of the openai package and one that is refused, under OpenTelemetry's instrumentation. */
public class Sender {
  public static void main(String[] arguments) {
    var sdk = AutoConfiguredOpenTelemetrySdk.initialize().getOpenTelemetrySdk();
    OpenAIClient bare = OpenAIOkHttpClient.builder().baseUrl(System.getenv("PROVIDER")).apiKey("test-key").maxRetries(0).build();
    OpenAIClient client = OpenAITelemetry.builder(sdk).build().wrap(bare);
    for (int number = 0; number < 5; number++) {
      client.chat().completions().create(params("gpt-4o"));
    }
    try {
      client.chat().completions().create(params("gpt-4o-refused"));
    } catch (RuntimeException refused) {
      System.out.println(refused.getClass().getSimpleName());
    }
    sdk.close();
    System.exit(0);
  }

  private static ChatCompletionCreateParams params(String model) {
    return ChatCompletionCreateParams.builder().model(model).addUserMessage("How is the weather?").build();
  }
}
