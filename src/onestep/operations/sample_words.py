"""The words that sample data is made of: a university with campuses in one state of Brazil."""

FIRST_NAMES = """
    Adriana Aline Ana André Antônio Beatriz Bruna Bruno Caio Camila Carlos Cecília César Clara Cláudio Conceição
    Daniel Débora Diego Eduardo Elisa Érica Estêvão Fábio Fátima Felipe Fernanda Flávia Gabriel Gustavo Heloísa
    Henrique Ícaro Inês Isabel Ítalo Joana João Jorge José Júlia Júlio Larissa Letícia Lívia Lúcia Luís Luíza Marcos
    Mariana Mateus Mônica Natália Otávio Patrícia Paulo Pedro Rafael Raquel Renata Ricardo Roberta Rodrigo Rômulo
    Sandra Sérgio Sílvia Sofia Tatiana Tiago Úrsula Valéria Vânia Vera Verônica Vinícius Vítor Zélia
""".split()

LAST_NAMES = """
    Abreu Almeida Alves Andrade Antunes Araújo Assunção Azevedo Barbosa Barros Batista Borges Braga Brandão Campos
    Cardoso Carvalho Castro Corrêa Costa Cunha Damasceno Dias Duarte Esteves Fagundes Farias Fernandes Ferreira
    Fonseca Freitas Galvão Gomes Gonçalves Guimarães Leão Leite Lemos Lima Lopes Macêdo Machado Magalhães Marinho
    Marques Martins Medeiros Melo Mendonça Monteiro Moraes Moreira Nascimento Neves Nogueira Nunes Oliveira Pacheco
    Paixão Pereira Pinheiro Pires Queirós Ramos Rangel Rezende Ribeiro Rocha Rodrigues Sá Sampaio Santana Santos
    Siqueira Souza Tavares Teixeira Valença Vasconcelos Vieira Xavier
""".split()

CAMPUSES = (
    ("Vitória", "VIT", "Av. Vitória 1729, Vitória"),
    ("Serra", "SER", "Rodovia ES-010, km 6.5, Serra"),
    ("Vila Velha", "VVE", "Av. Salgado Filho 1000, Vila Velha"),
    ("Cariacica", "CAR", "Rodovia Gov. José Sette 184, Cariacica"),
    ("Santa Teresa", "STE", "Rodovia ES-080, km 93, Santa Teresa"),
    ("Colatina", "COL", "Av. Arino Gomes Leal 1700, Colatina"),
    ("São Mateus", "SMA", "Rodovia BR-101, km 58, São Mateus"),
    ("Cachoeiro de Itapemirim", "CAI", "Rodovia ES-482, Cachoeiro de Itapemirim"),
)

KNOWLEDGE_AREAS = (
    "Agronomy",
    "Anthropology",
    "Architecture",
    "Astronomy",
    "Botany",
    "Chemistry",
    "Computer science",
    "Ecology",
    "Economics",
    "Education",
    "Electrical engineering",
    "Environmental engineering",
    "Food technology",
    "Geosciences",
    "History",
    "Linguistics",
    "Materials engineering",
    "Mathematics",
    "Mechanical engineering",
    "Music",
    "Nursing",
    "Nutrition",
    "Oceanography",
    "Philosophy",
    "Physics",
    "Public health",
    "Sociology",
    "Statistics",
    "Veterinary medicine",
    "Visual arts",
)

GROUP_SUBJECTS = (
    ("Coastal ecosystems", "Oceanography"),
    ("Coffee quality", "Agronomy"),
    ("Software engineering in practice", "Computer science"),
    ("Robotics and automation", "Electrical engineering"),
    ("Water and sanitation", "Environmental engineering"),
    ("Teaching of mathematics", "Education"),
    ("Atlantic forest flora", "Botany"),
    ("Steel and other alloys", "Materials engineering"),
    ("Local food systems", "Nutrition"),
    ("Memory and oral history", "History"),
    ("Languages of immigration", "Linguistics"),
    ("Open data and public policy", "Statistics"),
    ("Renewable energy", "Mechanical engineering"),
    ("Community health", "Public health"),
    ("Sky observation", "Astronomy"),
    ("Choral music", "Music"),
    ("Granite and marble", "Geosciences"),
    ("Animal welfare", "Veterinary medicine"),
    ("Housing and the city", "Architecture"),
    ("Solidarity economy", "Economics"),
)

PROGRAM_FORMS = (
    "{topic} for all",
    "Institutional program on {topic}",
    "{topic} network",
    "Extension program: {topic}",
    "Observatory of {topic}",
)
PROJECT_FORMS = (
    "{topic} in {place}",
    "Mapping {topic} around {place}",
    "{topic}: methods and tools",
    "A monitoring station for {topic} in {place}",
    "Young researchers: {topic}",
    "{topic} at public schools of {place}",
    "Open laboratory of {topic}",
    "Low-cost sensors for {topic}",
)
EVENT_FORMS = (
    "Week of {topic}",
    "Workshop on {topic} in {place}",
    "{topic} fair of {place}",
    "Seminar: {topic} today",
    "Open day of {topic} in {place}",
    "Summer school of {topic}",
)
TOPICS = (
    "agroecology",
    "algebra",
    "artisanal cheese",
    "bee-keeping",
    "bioethics",
    "bird-watching",
    "climate adaptation",
    "coffee roasting",
    "community radio",
    "computational thinking",
    "coral restoration",
    "digital inclusion",
    "documentary film",
    "early reading",
    "family farming",
    "food safety",
    "free software",
    "geometry",
    "graphene",
    "herbal medicine",
    "indigenous languages",
    "landslide risk",
    "machine learning",
    "mangrove conservation",
    "marine plastic",
    "mental health",
    "native seeds",
    "nursing care",
    "open data",
    "oral history",
    "photovoltaics",
    "popular theatre",
    "public transport",
    "rainwater harvesting",
    "river quality",
    "robotics",
    "rural schools",
    "solidarity economy",
    "statistics",
    "steel recycling",
    "stargazing",
    "street art",
    "urban trees",
    "women in science",
    "wood construction",
)
DESCRIPTIONS = (
    "Brings students and teachers together with the people of {place} to work on {topic}; publishes what is learnt.",
    "Studies {topic} with data from {place}. Results are open, and the methods are taught in courses of the campus.",
    "Offers activities on {topic} to schools and families of {place}, with materials that can be used again.",
    "Measures, compares and explains {topic}; the equipment is built by the students who use it.",
)
